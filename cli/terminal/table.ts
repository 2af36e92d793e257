import { stripVTControlCharacters } from "node:util";

/** Rows as aligned columns with two spaces between; the first row is the heading. The last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => shownLength(row[column] ?? ""))));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === row.length - 1 ? cell : cell + " ".repeat(widths[column]! - shownLength(cell)),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function shownLength(cell: string): number {
  return [...stripVTControlCharacters(cell)].length;
}
