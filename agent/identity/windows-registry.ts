import { Fault } from "../../fault.ts";
import type { IdentityModule } from "./change.ts";
import { checkHive, type RegistryEdit, registryKeys, withRegistryTexts } from "./registry-hive.ts";
import { windowsName, windowsSystem } from "./windows-system.ts";

const CLONE_WARNING =
  "This Windows was not generalised: all clones have its SID and MachineGuid, and one that was in a domain must join again. Run sysprep /generalize on the master.";

/** A Windows that was not generalised does not ask for its name: it stands in the registry. */
export const windowsRegistry: IdentityModule = {
  name: "windows-registry",
  async plan(volume, { hostName }) {
    const windows = await windowsSystem(volume);
    if (windows === undefined || windows.isGeneralised) return undefined;
    const hive = await volume.readBytes(windows.systemHive);
    if (hive === undefined) return undefined;
    const { name, notes } = windowsName(hostName);
    notes.push(CLONE_WARNING);
    try {
      checkHive(hive);
      const content = withRegistryTexts(hive, editsFor(hive, name));
      if (content === hive) return { changes: [], notes };
      const why = `Windows is named ${name}`;
      return { changes: [{ kind: "write", path: windows.systemHive, content, why }], notes };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { changes: [], notes: [...notes, `${windows.systemHive} stays as it is: ${error.what} ${error.fix}`] };
    }
  },
};

/** The name's places in every control set: the current one is a copy of one of them. */
export function editsFor(hive: Buffer, name: string): RegistryEdit[] {
  const sets = registryKeys(hive, []).filter((key) => /^ControlSet\d{3}$/i.test(key));
  return sets.flatMap((set) => [
    ...["ComputerName", "ActiveComputerName"].map((key) => ({
      key: [set, "Control", "ComputerName", key],
      value: "ComputerName",
      text: name.toUpperCase(),
    })),
    ...["Hostname", "NV Hostname"].map((value) => ({
      key: [set, "Services", "Tcpip", "Parameters"],
      value,
      text: name,
    })),
  ]);
}
