import type { BootTexts } from "./boot-texts.ts";

/** `generate` of TFTP: a made text for a name, or undefined for what lies on the disk. */
type GenerateText = (
  name: string,
  at: { readonly clientAddress: string; readonly serverAddress: string },
) => Promise<Uint8Array | undefined>;

/**
 * The texts that loaders ask for by TFTP:
 *
 *     boot.ipxe, autoexec.ipxe             iPXE; a newer one asks for the latter beside itself
 *     grub/grub.cfg                        GRUB; in whatever folder its prefix says
 *     grub/grub.cfg-01-52-54-00-12-34-56   GRUB 2.06 and later ask for their own first
 *     grub/host/52:54:00:12:34:56/grub.cfg where grub.cfg goes on when GRUB has no HTTP
 *
 * A machine is told apart by the address in the name: the one that a packet came from proves nothing.
 */
export function tftpTexts(options: { readonly texts: BootTexts; readonly httpPort: number }): GenerateText {
  const { texts, httpPort } = options;
  return async (name, { clientAddress, serverAddress }) => {
    const server = `http://${serverAddress}:${httpPort}`;
    const file = name.slice(name.lastIndexOf("/") + 1).toLowerCase();
    if (file === "boot.ipxe" || file === "autoexec.ipxe") return Buffer.from(texts.entryScript(server));
    const [, own] =
      /^grub\.cfg-01((?:-[0-9a-f]{2}){6})$/.exec(file) ?? /\/host\/([0-9a-f:]{17})\/grub\.cfg$/i.exec(name) ?? [];
    if (own !== undefined) {
      const mac =
        own
          .toLowerCase()
          .match(/[0-9a-f]{2}/g)
          ?.join(":") ?? "";
      if (mac.length !== 17) return undefined;
      return Buffer.from((await texts.grub({ mac, server, client: clientAddress })).text);
    }
    return file === "grub.cfg" ? Buffer.from(texts.grubStart(server)) : undefined;
  };
}
