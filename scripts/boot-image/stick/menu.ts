/** Where the stick keeps the images that were put on it. */
export const IMAGES_FOLDER = "images";

export type MenuOptions = {
  /** Those whose boot image is on the stick. */
  readonly architectures: readonly ("amd64" | "arm64")[];
  /** Further words for the kernel's command line. */
  readonly kernelArguments: string;
  /** What the agent shows the server when it registers. */
  readonly enrolment?: string | undefined;
};

/**
 * GRUB's menu: a restore by hand, the agent as over the network, and the machine's own disk. After ten seconds the
 * first is taken, which asks before it does anything.
 */
export function grubMenu({ architectures, kernelArguments, enrolment }: MenuOptions): string {
  const words = kernelArguments === "" ? "" : ` ${kernelArguments}`;
  const isBoth = architectures.length > 1;
  const folder = (architecture: "amd64" | "arm64") => (architecture === "arm64" ? "/boot/arm64" : "/boot");
  return [
    "set timeout=10",
    "set default=0",
    `set boot=${folder(architectures[0]!)}`,
    ...(isBoth ? ['if [ "$grub_cpu" = "arm64" ]; then', `  set boot=${folder("arm64")}`, "fi"] : []),
    'menuentry "Restore a disk of this machine: choose image and disk" {',
    `  linux $boot/vmlinuz bootcast.local${words}`,
    "  initrd $boot/initrd.img $boot/local.img",
    "}",
    'menuentry "Wait for an order of a bootcast server" {',
    `  linux $boot/vmlinuz${words}${enrolment === undefined ? "" : ` bootcast.enrol=${enrolment}`}`,
    "  initrd $boot/initrd.img",
    "}",
    'menuentry "Start this machine\'s own disk" {',
    "  exit",
    "}",
    "",
  ].join("\n");
}
