import { HIDDEN_LIST_FILE, hiddenList } from "../../images/clean-up/invisible-items.ts";
import type { IdentityModule } from "./change.ts";
import { isTen, macRelease } from "./mac-system.ts";

/**
 * Up to 10.4 the Finder hides /bin, /etc and their like by a list besides their flags, and a Mac whose flags were
 * lost in cloning shows them ("ectoplasm"). The flags are in the catalog, where Linux cannot set them: an image is
 * cleaned of that when it is made. Here the list is put where it is missing.
 */
export const macHiddenList: IdentityModule = {
  name: "mac-hidden-list",
  async plan(volume) {
    const release = await macRelease(volume);
    if (release === undefined || !isTen(release, 0, 4)) return undefined;
    const path = `/${HIDDEN_LIST_FILE}`;
    if ((await volume.lstat(path)) !== undefined) return { changes: [], notes: [] };
    const why = "the Finder would show /bin, /etc and their like";
    return { changes: [{ kind: "write", path, content: hiddenList(), mode: 0o444, why }], notes: [] };
  },
};
