/** "52:54:00:12:34:56" from any usual spelling of a hardware address; undefined for anything else. */
export function macOf(text: unknown): string | undefined {
  if (typeof text !== "string") return undefined;
  const digits = /^[0-9a-f]{12}$/i.test(text)
    ? text
    : /^[0-9a-f]{2}(([:-])[0-9a-f]{2})(\2[0-9a-f]{2}){4}$/i.test(text)
      ? text.replace(/[:-]/g, "")
      : "";
  return digits === "" ? undefined : digits.toLowerCase().match(/../g)?.join(":");
}
