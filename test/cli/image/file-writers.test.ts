import assert from "node:assert/strict";
import { test } from "node:test";
import { writersOf } from "../../../cli/image/file-writers.ts";
import { treeFiles } from "../../agent/machine/machine-tree.ts";

test("who has a file open for writing, other than ourselves", () => {
  const machine = treeFiles({
    files: {
      "/proc/10/comm": "qemu-system-x86\n",
      "/proc/10/fdinfo/3": "pos:\t0\nflags:\t0100000\n",
      "/proc/10/fdinfo/4": "pos:\t0\nflags:\t02100002\n",
      "/proc/11/fdinfo/5": "pos:\t7\nflags:\t0100001\n",
      "/proc/12/fdinfo/5": "pos:\t7\nflags:\t0100002\n",
      "/proc/99/fdinfo/3": "flags:\t0100002\n",
      "/proc/self/fdinfo/3": "flags:\t0100002\n",
    },
    links: {
      "/proc/10/fd/3": "/srv/disk.raw",
      "/proc/10/fd/4": "/srv/disk.raw",
      "/proc/11/fd/5": "/srv/disk.raw",
      "/proc/12/fd/5": "/srv/other.raw",
      "/proc/99/fd/3": "/srv/disk.raw",
      "/proc/self/fd/3": "/srv/disk.raw",
    },
  });
  assert.deepEqual(writersOf("/srv/disk.raw", machine, 99), ["qemu-system-x86 (process 10)", "a program (process 11)"]);
  assert.deepEqual(writersOf("/srv/none.raw", machine, 99), []);
});
