/** Adds the page's nonce to the styles in media-chrome's shadow roots. Without it the policy blocks them. */
const nonce = document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce;

type Setting = "setHTMLUnsafe" | "innerHTML";

function withNonce(root: ShadowRoot, html: string): string {
  return root.host.localName.startsWith("media-") ? html.replaceAll("<style", `<style nonce="${nonce}"`) : html;
}

/** Wraps a setter of a shadow root's HTML, if the browser has it. */
function wrap(name: Setting): void {
  const owner = [ShadowRoot.prototype, Element.prototype].find((each) => Object.hasOwn(each, name));
  const found = Object.getOwnPropertyDescriptor(owner ?? {}, name);
  if (!found) return;
  const set = found.set ?? (found.value as (html: string) => void);
  function written(this: ShadowRoot, html: string): void {
    set.call(this, withNonce(this, html));
  }
  const wrapped = found.set ? { ...found, set: written } : { ...found, value: written };
  Object.defineProperty(ShadowRoot.prototype, name, wrapped);
}

if (nonce) for (const name of ["setHTMLUnsafe", "innerHTML"] as const) wrap(name);
