//! Vectors from a server that speaks OpenAI's `/embeddings`: OpenAI, Voyage, vLLM, Ollama, llama.cpp.
//!
//! What is sent are texts of the memory, which are redacted. A text that the server refuses costs that text its vector, not
//! the batch: whether it is the text's fault or the server's is asked with a word that nobody refuses. A server that says
//! when it wants to be asked again (`Retry-After`) is not asked before.

use crate::http::{Credentials, Http, HttpLimits, Method, Url, base_url, under};
use crate::retry::retry_after;
use crate::text::one_line;
use sentinell_core::ports::{BoxFuture, Meaning, ToolError};
use serde_json::{Value, json};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Texts of one request.
const TOGETHER: usize = 64;
/// Characters of a text that are sent, and of one that was refused at that length.
const CHARS: usize = 6_000;
const SHORT: usize = 800;
/// The longest that a server is left alone because it says so.
const REST: Duration = Duration::from_secs(3600);
/// A text that no server refuses.
const PROBE: &str = "ok";

/// Where vectors come from.
#[derive(Clone)]
pub struct EmbeddingsSettings {
    /// The base URL, such as `https://api.openai.com/v1`.
    pub url: String,
    /// The key; a server of one's own may need none.
    pub key: Option<String>,
    /// The model, as the server knows it.
    pub model: String,
    /// How long its vectors are.
    pub dimensions: usize,
    /// The longest that one request may take.
    pub timeout: Duration,
}

impl fmt::Debug for EmbeddingsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the key nor the URL, which may carry a password.
        write!(f, "EmbeddingsSettings({}:{})", self.model, self.dimensions)
    }
}

/// A server's embeddings, as a [`Meaning`].
#[derive(Debug)]
pub struct Embeddings {
    http: Http,
    url: Url,
    who: Credentials,
    key: Option<String>,
    served: String,
    model: String,
    dimensions: usize,
    /// Until when the server wants to be left alone.
    rests: Mutex<Option<Instant>>,
}

/// Why there are no vectors.
enum Trouble {
    /// Nothing about the texts.
    Away(String),
    /// Perhaps about a text.
    Refused(String),
}

impl Trouble {
    fn why(self) -> String {
        match self {
            Self::Away(why) | Self::Refused(why) => why,
        }
    }
}

impl Embeddings {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// A sentence if the settings cannot be used.
    pub fn new(settings: EmbeddingsSettings) -> Result<Self, String> {
        let limits = HttpLimits { total: settings.timeout, ..HttpLimits::default() };
        let EmbeddingsSettings { url, key, model, dimensions, .. } = settings;
        Ok(Self {
            http: Http::new(limits)?,
            url: under(&base_url(&url)?, "embeddings"),
            who: key.clone().map_or(Credentials::None, Credentials::Bearer),
            model: format!("{model}:{dimensions}"),
            key,
            served: model,
            dimensions,
            rests: Mutex::default(),
        })
    }

    /// Whether the server may be asked now.
    fn awake(&self) -> Result<(), Trouble> {
        let until = *self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        match until.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => {
                Err(Trouble::Away(format!("the server asked to be left alone for {} s more", left.as_secs() + 1)))
            }
            _ => Ok(()),
        }
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Trouble> {
        self.awake()?;
        let mut body = json!({ "model": self.served, "input": texts, "encoding_format": "float" });
        // Only these can be shortened; other servers refuse the word.
        if self.served.starts_with("text-embedding-3") {
            body["dimensions"] = json!(self.dimensions);
        }
        let answer = self.http.exchange_whole(Method::POST, self.url.clone(), Some(&body), &self.who).await;
        let (status, headers, answer) = answer.map_err(|error| match error {
            ToolError::BadQuery(why) => Trouble::Refused(why),
            other => Trouble::Away(other.to_string()),
        })?;
        if !status.is_success() {
            let said = one_line(&String::from_utf8_lossy(&answer[..answer.len().min(2_000)]), 300);
            let why = self.without_key(format!("{status}: {said}"));
            return Err(match status.as_u16() {
                401 | 402 | 403 | 408 | 429 | 502..=504 => {
                    if let Some(millis) = retry_after(&headers, SystemTime::now()) {
                        let until = Instant::now() + Duration::from_millis(millis).min(REST);
                        *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
                    }
                    Trouble::Away(why)
                }
                _ => Trouble::Refused(why),
            });
        }
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|error| Trouble::Refused(format!("the answer is not JSON: {error}")))?;
        self.read(&answer, texts.len()).map_err(Trouble::Refused)
    }

    /// One vector a text, whatever order they come in.
    fn read(&self, answer: &Value, texts: usize) -> Result<Vec<Vec<f32>>, String> {
        let data = answer["data"].as_array().ok_or("the answer has no `data`")?;
        let mut vectors = vec![vec![]; texts];
        for (place, one) in data.iter().enumerate() {
            let index = one["index"].as_u64().map_or(place, |index| usize::try_from(index).unwrap_or(usize::MAX));
            let numbers = one["embedding"].as_array().ok_or("an answer has no `embedding`")?;
            if numbers.len() != self.dimensions {
                let (got, wanted) = (numbers.len(), self.dimensions);
                return Err(format!(
                    "vectors of {got} numbers came where {wanted} are configured (memory.embeddings.dimensions)"
                ));
            }
            let vector: Option<Vec<f32>> =
                numbers.iter().map(|x| x.as_f64().map(|x| x as f32).filter(|x| x.is_finite())).collect();
            let place = vectors.get_mut(index).ok_or("more vectors came than texts were sent")?;
            *place = vector.ok_or("a vector has something else than numbers")?;
        }
        match vectors.iter().any(Vec::is_empty) {
            true => Err("fewer vectors came than texts were sent".to_owned()),
            false => Ok(vectors),
        }
    }

    /// A server's words may repeat what it was sent.
    fn without_key(&self, text: String) -> String {
        match &self.key {
            Some(key) => text.replace(key.as_str(), "<hidden>"),
            None => text,
        }
    }

    async fn batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, String> {
        match self.ask(texts).await {
            Ok(vectors) => return Ok(vectors),
            Err(Trouble::Away(why)) => return Err(why),
            Err(Trouble::Refused(why)) => {
                self.ask(&[PROBE.to_owned()]).await.map_err(|_| why)?;
            }
        }
        let mut vectors = vec![];
        for text in texts {
            vectors.push(self.one(text).await?);
        }
        Ok(vectors)
    }

    async fn one(&self, text: &str) -> Result<Vec<f32>, String> {
        for most in [CHARS, SHORT] {
            match self.ask(&[text.chars().take(most).collect()]).await {
                Ok(vectors) => return Ok(vectors.into_iter().next().unwrap_or_default()),
                Err(Trouble::Refused(why)) => tracing::debug!(why, most, "a text was refused its vector"),
                Err(away) => return Err(away.why()),
            }
        }
        Ok(vec![])
    }

    async fn vectors(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, String> {
        let mut vectors = vec![vec![]; texts.len()];
        let full: Vec<usize> = (0..texts.len()).filter(|at| !texts[*at].trim().is_empty()).collect();
        for places in full.chunks(TOGETHER) {
            let batch: Vec<String> = places.iter().map(|at| texts[*at].chars().take(CHARS).collect()).collect();
            for (at, vector) in places.iter().zip(self.batch(&batch).await?) {
                vectors[*at] = vector;
            }
        }
        Ok(vectors)
    }
}

impl Meaning for Embeddings {
    fn model(&self) -> &str {
        &self.model
    }

    fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f32>>, String>> {
        Box::pin(self.vectors(texts))
    }
}
