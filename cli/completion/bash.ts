import type { CommandNode, OptionNode } from "./command-tree.ts";

/** What bash is to source: one function, and tables of what stands behind what. */
export function bashCompletion(nodes: readonly CommandNode[]): string {
  return `# bash completion of bootcast. For everybody: bootcast completion bash | sudo tee /etc/bash_completion.d/bootcast
_bootcast() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} at="" verbs options value="" files=0 word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    _bootcast_at "$at"
    case " $verbs " in *" $word "*) at="\${at:+$at }$word" ;; esac
  done
  _bootcast_at "$at"
  _bootcast_value "$at" "$before"
  case $value in
    file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    other) return ;;
    ?*) COMPREPLY=($(compgen -W "$value" -- "$current")); return ;;
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *)
      COMPREPLY=($(compgen -W "$verbs" -- "$current"))
      if [ $files = 1 ]; then COMPREPLY+=($(compgen -f -- "$current")); fi ;;
  esac
}
_bootcast_at() {
  verbs="" options="" files=0
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
complete -F _bootcast bootcast
`;
}

function nodeCase({ path, verbs, options, takesFiles }: CommandNode): string {
  const words = [
    `verbs=${quoted(verbs.map(({ name }) => name).join(" "))}`,
    `options=${quoted(options.map(({ long }) => long).join(" "))}`,
    ...(takesFiles ? ["files=1"] : []),
  ];
  return `    ${quoted(path)}) ${words.join(" ")} ;;`;
}

function valueCases({ path, options }: CommandNode): string[] {
  return options
    .filter(({ value }) => value !== "none")
    .map((option) => `    ${quoted(`${path} ${option.long}`)}) value=${quoted(valueWord(option))} ;;`);
}

function valueWord({ value }: OptionNode): string {
  return typeof value === "string" ? value : value.join(" ");
}

/** One word of a shell, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
