import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Marked, type Tokens } from "marked";
import { commandReference } from "./command-reference.ts";
import { helpStyle } from "./style.ts";

/** A file that is served below `/help`. */
export type HelpFile = { readonly path: string; readonly content: string | Uint8Array };

const root = join(import.meta.dirname, "../..");

/** In the order of the menu; the first is `/help` itself. */
const first = ["README.md", "BOOTING.md", "ARCHITECTURE.md"];

/** The project's documents as pages that need nothing from elsewhere, with the pictures that they show. */
export async function renderHelp(): Promise<HelpFile[]> {
  const inDocs = readdirSync(join(root, "docs")).map((name) => `docs/${name}`);
  const documents = [...first, ...inDocs.filter((name) => name.endsWith(".md")).sort(), "CHANGELOG.md"];
  const pages = documents.map((name) => {
    const text = readFileSync(join(root, name), "utf8");
    return { name, title: titleOf(text) ?? name, text };
  });
  const commands = { name: "commands.md", title: "Commands", text: await commandReference() };
  const all = [...pages.slice(0, 2), commands, ...pages.slice(2)];
  const menu = all.map(({ name, title }) => ({ name, title: name === first[0] ? "Overview" : title }));
  return [
    ...all.map((page) => ({ path: `${pathOf(page.name)}.html`, content: pageOf(page, menu) })),
    ...inDocs
      .filter((name) => /\.(svg|png)$/.test(name))
      .map((name) => ({ path: name, content: readFileSync(join(root, name)) })),
    { path: "help.css", content: helpStyle },
  ];
}

type Page = { readonly name: string; readonly title: string; readonly text: string };

function pageOf({ name, title, text }: Page, menu: readonly Omit<Page, "text">[]): string {
  const body = markedFor(name).parse(text, { async: false });
  const items = menu.map((one) => {
    const current = one.name === name ? ' aria-current="page"' : "";
    return `<li><a href="${addressOf(one.name)}"${current}>${escaped(one.title)}</a></li>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} · bootcast</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/help/help.css">
<a class="skip" href="#content">To the content</a>
<nav aria-label="Help"><p><a href="/">bootcast</a></p><ul>${items.join("")}</ul></nav>
<main id="content">
${body}</main>
</html>
`;
}

/** Headings can be linked to, tables scroll by themselves, and links between documents lead to pages. */
function markedFor(document: string): Marked {
  const seen = new Map<string, number>();
  return new Marked({
    renderer: {
      heading({ tokens, depth, text }: Tokens.Heading) {
        const slug = slugOf(text);
        const times = seen.get(slug) ?? 0;
        seen.set(slug, times + 1);
        const id = times === 0 ? slug : `${slug}-${times}`;
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }: Tokens.Link) {
        const target = targetOf(href, document);
        const text = this.parser.parseInline(tokens);
        const elsewhere = /^https?:/.test(target) ? ' rel="noreferrer"' : "";
        return `<a href="${escaped(target)}"${elsewhere}>${text}</a>`;
      },
      image({ href, text }: Tokens.Image) {
        return `<img src="${escaped(targetOf(href, document))}" alt="${escaped(text)}">`;
      },
      code({ text }: Tokens.Code) {
        return `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`;
      },
    },
    hooks: {
      postprocess: (html) =>
        html.replaceAll("<table>", '<div class="wide" tabindex="0"><table>').replaceAll("</table>", "</table></div>"),
    },
  });
}

/** Where a link of a document leads among the pages. */
export function targetOf(href: string, document: string): string {
  if (/^(https?:|#|mailto:)/.test(href)) return href;
  const folder = document.includes("/") ? document.slice(0, document.lastIndexOf("/") + 1) : "";
  const [path = "", anchor] = new URL(href, `http://help/${folder}`).href.slice("http://help/".length).split("#");
  const address = path.endsWith(".md") ? addressOf(path) : `/help/${path}`;
  return anchor === undefined ? address : `${address}#${anchor}`;
}

function addressOf(name: string): string {
  return name === first[0] ? "/help" : `/help/${pathOf(name)}`;
}

function pathOf(name: string): string {
  return name === first[0] ? "index" : name.replace(/\.md$/, "");
}

/** As GitHub makes them, so that one link is right in both places. */
export function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}

function titleOf(text: string): string | undefined {
  return /^# (.+)$/m.exec(text)?.[1];
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
