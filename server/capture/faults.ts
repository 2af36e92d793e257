import { Fault } from "../../fault.ts";

// What goes wrong with a capture, in words. The code says which.

export function captureEnded(deployId: number): Fault {
  return new Fault("CAPTURE_ENDED", {
    what: `Session ${deployId} captures nothing of this host now.`,
    why: "It was stopped, has ended, or is for another host.",
    fix: `"bootcast session show ${deployId}" says what became of it. Order a new one: bootcast capture HOST`,
  });
}

export function captureBusy(deployId: number): Fault {
  return new Fault("CAPTURE_BUSY", {
    what: `Session ${deployId} sends faster than the server can keep it.`,
    why: "Too many packs are under way at the same time.",
    fix: "The host tries again by itself.",
  });
}

export function captureTooLarge(deployId: number, mostDiskBytes: number): Fault {
  return new Fault("CAPTURE_TOO_LARGE", {
    what: `Session ${deployId} sent more than a disk of ${mebibytes(mostDiskBytes)} can hold.`,
    why: "That was the size of the host's disk when the capture was ordered. The host is faulty, or has another disk now.",
    fix: "Let it start from the network once, so that its disks are known, and order the capture again.",
  });
}

export function cellMissing(): Fault {
  return new Fault("CELL_MISSING", {
    what: "The store has not all cells of this pack.",
    why: "A pack that held them was removed, or is damaged.",
    fix: "The host sends all of them by itself.",
  });
}

export function storeNearlyFull(directory: string, freeBytes: number): Fault {
  return new Fault("STORE_FULL", {
    what: `The disk of the image store ${directory} is nearly full: ${mebibytes(freeBytes)} are free.`,
    why: "The last of it is kept for the server's own work. What was there before is untouched.",
    fix: "Make room, and order the capture again: packs that have arrived are used.",
  });
}

export function manifestSpoiled(deployId: number): Fault {
  return new Fault("CAPTURE_INVALID", {
    what: `The manifest of session ${deployId} did not arrive as it was sent.`,
    why: "Its length or its SHA-256 is another one.",
    fix: "Order the capture again; what has arrived of the disk is used.",
  });
}

export function manifestRefused(deployId: number, fault: Fault): Fault {
  return new Fault(
    "CAPTURE_INVALID",
    {
      what: `The manifest of session ${deployId} cannot be used. ${fault.what}`,
      why: "The host that sent it is faulty, or of another version of bootcast.",
      fix: 'Build the boot image again on this server ("bootcast boot-image build"), and order the capture again.',
    },
    fault,
  );
}

export function packNotKept(deployId: number, digest: string): Fault {
  return new Fault("CAPTURE_INVALID", {
    what: `Session ${deployId} cannot become an image: pack ${digest} is not in the store with these cells.`,
    why: "It was never sent, or was removed meanwhile.",
    fix: "Order the capture again; what has arrived of the disk is used.",
  });
}

/**
 * A machine that starts an older boot image than this server has.
 *
 * @param cannot completes "The boot image that lab-07 runs cannot …"
 */
export function bootImageTooOld(hostName: string, cannot: string): Fault {
  return new Fault("BOOT_IMAGE_OLD", {
    what: `The boot image that ${hostName} runs cannot ${cannot}.`,
    why: "It was built by an older version of bootcast.",
    fix: 'Build it again ("bootcast boot-image build"), and order it again.',
  });
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}
