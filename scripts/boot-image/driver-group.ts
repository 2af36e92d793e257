/** Kernel modules by name, or folders below "kernel/" that end in "/", and what each drives. docs/drivers.md lists them. */
export type DriverGroup = { readonly title: string; readonly drivers: Readonly<Record<string, string>> };
