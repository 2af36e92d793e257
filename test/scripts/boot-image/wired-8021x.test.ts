import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { addExtraFiles, extraPackages } from "../../../scripts/boot-image/extras.ts";
import { FileTree } from "../../../scripts/boot-image/file-tree.ts";
import { readAuthorizedKeys } from "../../../scripts/boot-image/remote-shell.ts";
import { readCredentials } from "../../../scripts/boot-image/wired-8021x.ts";

async function folderWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bootcast-extras-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

const configuration = `ap_scan=0
network={
  key_mgmt=IEEE8021X
  eap=TLS
  identity="lab@example.org"
  ca_cert="ca.pem"
  client_cert="client.pem"
  private_key="client.pem"
  private_key_passwd="secret"
}
`;

test("the files that a configuration names go with it, under a place in the boot image", async (t) => {
  const folder = await folderWith(t, { "wpa.conf": configuration, "ca.pem": "CA", "client.pem": "CLIENT" });
  const credentials = await readCredentials(join(folder, "wpa.conf"));
  assert.match(credentials.configuration, /ca_cert="\/etc\/bootcast\/802\.1x\/ca\.pem"/);
  assert.match(credentials.configuration, /private_key="\/etc\/bootcast\/802\.1x\/client\.pem"/);
  assert.match(credentials.configuration, /private_key_passwd="secret"/);
  const names = [...credentials.files].map(([path, content]) => [path, content.toString()]);
  assert.deepEqual(names, [
    ["etc/bootcast/802.1x/ca.pem", "CA"],
    ["etc/bootcast/802.1x/client.pem", "CLIENT"],
  ]);
  const tree = new FileTree();
  addExtraFiles(tree, { wired8021x: credentials, remoteShell: "ssh-ed25519 AAAA\n" });
  const files = tree.entries().filter(({ type }) => type === "file");
  for (const entry of files) assert.equal(entry.type === "file" && entry.permissions, 0o600, entry.path);
  assert.equal(files.length, 4);
  assert.deepEqual(extraPackages({ wired8021x: credentials, remoteShell: "k" }, "amd64"), [
    "dropbear-bin",
    "wpasupplicant",
  ]);
  assert.deepEqual(extraPackages({}, "amd64"), []);
});

test("what the boot image cannot follow is refused, with the reason", async (t) => {
  const refused = {
    "no wired network": configuration.replace("IEEE8021X", "WPA-EAP"),
    "a folder of certificates": `${configuration}  ca_path="/etc/ssl/certs"\n`,
    "a control socket": `ctrl_interface=/run/wpa\n${configuration}`,
    "a file that is not there": configuration.replace("ca.pem", "other.pem"),
  };
  for (const [name, text] of Object.entries(refused)) {
    const folder = await folderWith(t, { "wpa.conf": text, "ca.pem": "CA", "client.pem": "CLIENT" });
    await assert.rejects(readCredentials(join(folder, "wpa.conf")), { code: "WIRED_8021X_INVALID" }, name);
  }
  await assert.rejects(readCredentials("/nonexistent/wpa.conf"), { code: "WIRED_8021X_INVALID" });
});

test("only public keys let somebody in", async (t) => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq0+2kq admin@server";
  const folder = await folderWith(t, {
    keys: `# admins\n\n${key}\n  ssh-rsa AAAAB3NzaC1yc2E=\n`,
    empty: "# nobody\n",
    private: "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n",
    options: `command="reboot" ${key}\n`,
  });
  assert.equal(await readAuthorizedKeys(join(folder, "keys")), `${key}\nssh-rsa AAAAB3NzaC1yc2E=\n`);
  for (const name of ["empty", "private", "options", "absent"]) {
    await assert.rejects(readAuthorizedKeys(join(folder, name)), { code: "REMOTE_SHELL_INVALID" }, name);
  }
});
