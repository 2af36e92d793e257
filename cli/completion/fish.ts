import { quoted } from "./bash.ts";
import type { CommandNode } from "./command-tree.ts";

/** What fish takes from ~/.config/fish/completions/bootcast.fish. */
export function fishCompletion(nodes: readonly CommandNode[]): string {
  const paths = nodes.map(({ path }) => path).filter((path) => path !== "");
  return `# fish completion of bootcast. For everybody: bootcast completion fish | sudo tee /usr/share/fish/vendor_completions.d/bootcast.fish
function __bootcast_at --argument-names wanted
    set --local paths ${paths.map(quoted).join(" ")}
    set --local at ''
    for word in (commandline --cut-at-cursor --tokenize --current-process)[2..]
        set --local further (string trim -- "$at $word")
        if contains -- $further $paths
            set at $further
        end
    end
    test "$at" = "$wanted"
end
complete --command bootcast --no-files
${nodes.map(linesOf).join("\n")}
`;
}

function linesOf({ path, verbs, options, takesFiles }: CommandNode): string {
  const at = `complete --command bootcast --condition ${quoted(`__bootcast_at "${path}"`)}`;
  return [
    ...verbs.map(({ name, summary }) => `${at} --arguments ${quoted(name)} --description ${quoted(summary)}`),
    ...(takesFiles ? [`${at} --force-files`] : []),
    ...options.map(({ long, summary, value }) => {
      const after =
        value === "none"
          ? ""
          : value === "file"
            ? " --require-parameter --force-files"
            : value === "other"
              ? " --exclusive"
              : ` --exclusive --arguments ${quoted(value.join(" "))}`;
      return `${at} --long-option ${long.replace(/^--/, "")}${after} --description ${quoted(summary)}`;
    }),
  ].join("\n");
}
