/** Bytes `from` up to, not including, `to`. */
export type ByteRange = { readonly from: number; readonly to: number };

/**
 * The one range that a request asks for (RFC 9110 section 14).
 *
 * Several ranges, other units and nonsense mean the whole file, as the RFC allows. So does an `If-Range` that names
 * another version than the present one.
 *
 * @returns undefined for the whole file, "unsatisfiable" for a range that starts behind its end
 */
export function rangeOf(
  header: string | undefined,
  ifRange: string | string[] | undefined,
  file: { readonly tag: string; readonly sizeBytes: number },
): ByteRange | "unsatisfiable" | undefined {
  if (header === undefined) return undefined;
  if (ifRange !== undefined && ifRange !== file.tag) return undefined;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header.replaceAll(" ", ""));
  const first = match?.[1] ?? "";
  const last = match?.[2] ?? "";
  if (first === "" && last === "") return undefined;
  if (first === "") {
    // "-500": the last 500 bytes.
    const from = Math.max(0, file.sizeBytes - Number(last));
    return from < file.sizeBytes ? { from, to: file.sizeBytes } : "unsatisfiable";
  }
  const from = Number(first);
  if (last !== "" && Number(last) < from) return undefined;
  if (from >= file.sizeBytes) return "unsatisfiable";
  return { from, to: last === "" ? file.sizeBytes : Math.min(Number(last) + 1, file.sizeBytes) };
}
