/** The look of the help pages: readable on a phone and on paper, dark and light as the reader has it. */
export const helpStyle: string = `:root {
  color-scheme: light dark;
  --ink: light-dark(#1c2024, #e8eaed);
  --pale: light-dark(#5a6269, #a3abb2);
  --paper: light-dark(#ffffff, #15181b);
  --raised: light-dark(#f4f6f8, #1f2428);
  --line: light-dark(#d9dee3, #343b41);
  --link: light-dark(#0b5cad, #7cb7ff);
  font: 1.0625rem/1.6 system-ui, sans-serif;
  background: var(--paper);
  color: var(--ink);
}
body { margin: 0; display: grid; grid-template-columns: 15rem minmax(0, 1fr); }
nav { position: sticky; top: 0; align-self: start; box-sizing: border-box; height: 100vh; overflow: auto; padding: 1.5rem; background: var(--raised); border-right: 1px solid var(--line); }
nav p { margin: 0 0 1rem; font-size: 1.25rem; font-weight: 600; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; padding: 0.3rem 0; text-decoration: none; }
nav a[aria-current] { font-weight: 600; color: var(--ink); }
main { box-sizing: border-box; width: 100%; max-width: 56rem; padding: 1.5rem 2rem 6rem; }
h1, h2, h3 { line-height: 1.25; margin: 2.2em 0 0.6em; scroll-margin-top: 1rem; }
h1 { margin-top: 0; }
h2 { padding-top: 0.6em; border-top: 1px solid var(--line); }
a { color: var(--link); }
a:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code { font: 0.9em/1.5 ui-monospace, monospace; background: var(--raised); padding: 0.1em 0.3em; border-radius: 4px; }
pre { overflow-x: auto; padding: 1rem; background: var(--raised); border: 1px solid var(--line); border-radius: 6px; }
pre code { padding: 0; background: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.5rem 0.8rem 0.5rem 0; border-bottom: 1px solid var(--line); }
img { max-width: 100%; height: auto; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; padding: 0.5rem 1rem; background: var(--paper); z-index: 1; }
@media (max-width: 50rem) {
  body { grid-template-columns: minmax(0, 1fr); }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); }
  main { padding: 1.5rem; }
}
@media print { nav, .skip { display: none; } body { display: block; } }
`;
