/**
 * A text for a terminal, in which only colours, tabs and ends of lines are left of what controls it: machines on the
 * network say what they are called and what went wrong, and may say anything.
 */
export function safeText(text: string): string {
  return text.replaceAll(/\r\n|\p{Cc}\[[\d;]*m|(?![\n\t])\p{Cc}/gu, (control) =>
    control === "\r\n" || control.startsWith("\u001b[") ? control : "\ufffd",
  );
}
