/**
 * Our values are read-only all the way down and may hold an undefined where a schema has nothing, which JSON does not
 * send either: the same value with the type that the schemas want.
 */
export function writable<T>(value: T): Mutable<T> {
  return value as Mutable<T>;
}

type Mutable<T> = T extends readonly (infer Item)[]
  ? number extends T["length"]
    ? Mutable<Item>[]
    : { -readonly [Key in keyof T]: Mutable<T[Key]> }
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<Exclude<T[Key], undefined>> }
    : T;
