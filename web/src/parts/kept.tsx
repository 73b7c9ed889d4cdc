// Drawing only what has changed.
import { Component, type ComponentType, type FunctionComponent } from "preact";

/** A component that is drawn again only when what it is given is something else. */
export function kept<P extends object>(Drawn: FunctionComponent<P>, same: (before: P, now: P) => boolean): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      return !same(this.props, next);
    }
    override render() {
      return <Drawn {...this.props} />;
    }
  };
}
