import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsoleText } from "../../scripts/lab/console.ts";
import type { LabProcess, Namespace } from "../../scripts/lab/namespace.ts";

/** A switch's port that opens for whoever shows who it is. */
export type ClosedPort = {
  readonly authenticator: LabProcess;
  /** What the switch has written. */
  readonly log: ConsoleText;
  /**
   * wpa_supplicant.conf of a client with this password; the right one is "secret".
   *
   * @param certificate where the client finds the switch's
   */
  credentials(password: string, certificate?: string): string;
};

/**
 * Makes hostapd the authenticator (802.1X, PEAP with MS-CHAPv2) of a card in the lab.
 *
 * @param card not a bridge's own: switches do not pass on what clients say of themselves
 * @param folder for its files; the certificate is `switch.pem` there
 */
export async function closedPort(namespace: Namespace, card: string, folder: string): Promise<ClosedPort> {
  const key = join(folder, "switch.key");
  const certificate = join(folder, "switch.pem");
  await namespace.run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-subj", "/CN=switch", "-keyout", key, "-out", certificate],
  ]);
  const users = join(folder, "users");
  await writeFile(users, '* PEAP\n"lab" MSCHAPV2 "secret" [2]\n');
  const settings = [
    ...[`interface=${card}`, "driver=wired", "logger_stdout=-1", "logger_stdout_level=1", "ieee8021x=1"],
    ...["use_pae_group_addr=1", "eap_server=1", `eap_user_file=${users}`],
    ...[`ca_cert=${certificate}`, `server_cert=${certificate}`, `private_key=${key}`],
  ];
  await writeFile(join(folder, "hostapd.conf"), `${settings.join("\n")}\n`);
  const authenticator = namespace.spawn("hostapd", [join(folder, "hostapd.conf")]);
  const log = new ConsoleText("hostapd");
  for (const stream of [authenticator.stdout, authenticator.stderr]) {
    stream.on("data", (bytes: Buffer) => log.append(bytes));
  }
  await log.waitFor(/AP-ENABLED/, { deadlineMs: 10_000, what: "hostapd", from: 0 });
  return {
    authenticator,
    log,
    credentials: (password, where = certificate) => `ap_scan=0
network={
  key_mgmt=IEEE8021X
  eap=PEAP
  identity="lab"
  password="${password}"
  ca_cert="${where}"
  phase2="auth=MSCHAPV2"
  eapol_flags=0
}
`,
  };
}
