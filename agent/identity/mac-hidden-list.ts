import { HIDDEN_LIST_FILE, hiddenList, INVISIBLE_ITEMS } from "../../images/clean-up/invisible-items.ts";
import type { Change, IdentityModule } from "./change.ts";
import { isTen, macRelease } from "./mac-system.ts";

/**
 * A Tiger or older whose Finder flags were lost in cloning shows /bin, /etc and their like ("ectoplasm"): they are hidden
 * again, and the list of them, which its Finder reads besides, is put where it is missing.
 */
export const macHiddenList: IdentityModule = {
  name: "mac-hidden-list",
  async plan(volume) {
    const release = await macRelease(volume);
    if (release === undefined || !isTen(release, 0, 4)) return undefined;
    const changes: Change[] = [];
    for (const name of INVISIBLE_ITEMS) {
      const path = `/${name}`;
      if ((await volume.lstat(path)) === undefined || (await volume.isInvisible(path)) !== false) continue;
      changes.push({ kind: "hide", path, why: "the Finder would show it" });
    }
    const list = `/${HIDDEN_LIST_FILE}`;
    if ((await volume.lstat(list)) === undefined) {
      const why = "the Finder would show /bin, /etc and their like";
      changes.push({ kind: "write", path: list, content: hiddenList(), mode: 0o444, why });
    }
    return { changes, notes: [] };
  },
};
