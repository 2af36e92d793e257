/**
 * Who works with the keyboard stays where they are: when what has the focus goes away (a row that was removed, a
 * button that has done its work), the heading of the part around it has the focus, not the top of the page.
 */
export function keepFocus(): void {
  /** What had the focus last, and what was around it, the nearest first. */
  let last: { readonly element: Element; readonly around: readonly Element[] } | undefined;
  document.addEventListener("focusin", ({ target }) => {
    if (target instanceof Element) last = { element: target, around: [...aroundOf(target)] };
  });
  // A click beside everything takes the focus away because somebody wants it so.
  document.addEventListener("pointerdown", () => {
    last = undefined;
  });
  new MutationObserver(() => {
    if (last === undefined || last.element.isConnected || document.activeElement !== document.body) return;
    const home = last.around.find(({ isConnected }) => isConnected) ?? document.getElementById("content");
    last = undefined;
    const heading = home?.querySelector<HTMLElement>("h1, h2") ?? (home instanceof HTMLElement ? home : undefined);
    if (heading === undefined) return;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }).observe(document.body, { childList: true, subtree: true });
}

function* aroundOf(element: Element): Generator<Element> {
  for (let at = element.parentElement; at !== null; at = at.parentElement) {
    if (at.matches("dialog, section, main")) yield at;
  }
}
