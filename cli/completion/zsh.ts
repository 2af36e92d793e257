import { quoted } from "./bash.ts";
import type { CommandNode, OptionNode } from "./command-tree.ts";

/** What zsh takes from a file _bootcast in its $fpath. */
export function zshCompletion(nodes: readonly CommandNode[]): string {
  return `#compdef bootcast
# zsh completion of bootcast. For everybody: bootcast completion zsh | sudo tee /usr/share/zsh/vendor-completions/_bootcast
_bootcast() {
  local at="" word value="" files=0 i
  local -a verbs options
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    _bootcast_at "$at"
    if (( \${verbs[(I)$word:*]} )); then at="\${at:+$at }$word"; fi
  done
  _bootcast_at "$at"
  _bootcast_value "$at" "$words[CURRENT-1]"
  case $value in
    file) _files; return ;;
    other) _message 'value'; return ;;
    ?*) compadd -- \${=value}; return ;;
  esac
  if [[ $words[CURRENT] == -* ]]; then
    _describe -o option options
    return
  fi
  (( $#verbs )) && _describe command verbs
  (( files )) && _files
  return 0
}
_bootcast_at() {
  verbs=() options=() files=0
  case $1 in
${nodes.map(nodeCase).join("\n")}
  esac
}
_bootcast_value() {
  value=""
  case "$1 $2" in
${nodes.flatMap(valueCases).join("\n")}
  esac
}
if [ "$funcstack[1]" = _bootcast ]; then _bootcast "$@"; else compdef _bootcast bootcast; fi
`;
}

function nodeCase({ path, verbs, options, takesFiles }: CommandNode): string {
  const described = (items: readonly { readonly name: string; readonly summary: string }[]) =>
    items.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(" ");
  const flags = options.map(({ long, summary }) => ({ name: long, summary }));
  const files = takesFiles ? "; files=1" : "";
  return `    (${quoted(path)}) verbs=(${described(verbs)}); options=(${described(flags)})${files} ;;`;
}

function valueCases({ path, options }: CommandNode): string[] {
  const word = ({ value }: OptionNode) => (typeof value === "string" ? value : value.join(" "));
  return options
    .filter(({ value }) => value !== "none")
    .map((option) => `    (${quoted(`${path} ${option.long}`)}) value=${quoted(word(option))} ;;`);
}
