//! Lists that are short enough to be cut into pages here; long ones are paged by the store.

use super::extract::Page;
use super::problem::ApiError;
use crate::auth::secret;

/// One page of `items`, and the cursor of the next. The cursor names the last item given out, so that new ones at the
/// front move nothing.
///
/// # Errors
/// 400 for a bad limit or a cursor that was not given out here.
pub fn page<T>(items: Vec<T>, page: &Page, id: impl Fn(&T) -> &str) -> Result<(Vec<T>, Option<String>), ApiError> {
    let limit = page.limit()? as usize;
    let start = match &page.cursor {
        None => 0,
        Some(cursor) => {
            let position = items.iter().position(|item| cursor_of(id(item)) == *cursor);
            1 + position.ok_or_else(|| {
                ApiError::bad_request(
                    "the cursor is not one that this list gave out; leave it out to start at the newest",
                )
            })?
        }
    };
    let rest = items.len().saturating_sub(start);
    let shown: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let next = shown.last().filter(|_| rest > limit).map(|last| cursor_of(id(last)));
    Ok((shown, next))
}

fn cursor_of(id: &str) -> String {
    secret::hash(&format!("cursor/{id}"))[..24].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_meet_without_gap_or_overlap() {
        let all: Vec<String> = (0..7).map(|n| format!("id{n}")).collect();
        let (mut seen, mut cursor) = (vec![], None);
        loop {
            let wanted = Page { limit: Some(3), cursor };
            let (items, next) = page(all.clone(), &wanted, |id| id.as_str()).unwrap();
            seen.extend(items);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
        for wrong in [Page { limit: Some(0), cursor: None }, Page { limit: None, cursor: Some("x\0".into()) }] {
            assert_eq!(page(all.clone(), &wrong, |id| id.as_str()).unwrap_err().status(), 400);
        }
    }
}
