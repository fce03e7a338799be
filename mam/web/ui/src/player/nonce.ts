/** Gives the styles that media-chrome writes into its shadow roots the page's nonce: without it they are blocked. */
const nonce = document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce;

type Setting = "setHTMLUnsafe" | "innerHTML";

function withNonce(root: ShadowRoot, html: string): string {
  return root.host.localName.startsWith("media-") ? html.replaceAll("<style", `<style nonce="${nonce}"`) : html;
}

/** Wraps a way in which HTML gets into a shadow root, wherever the browser has it. */
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
