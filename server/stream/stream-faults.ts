import { Fault } from "../../fault.ts";
import { MOST_RECEIVERS } from "../../multicast/roster.ts";

/** What a stream refuses its receivers, as faults that they show. */

export function packUnknown(digest: string): Fault {
  return new Fault("PACK_UNKNOWN", {
    what: `This stream has no pack ${digest.slice(0, 16)}….`,
    why: "It is not part of the image that is sent.",
    fix: "Start the restore again.",
  });
}

export function unicastBusy(): Fault {
  return new Fault("UNICAST_BUSY", {
    what: "The server sends packs to other hosts first.",
    why: "Many fetch what the group did not bring them, and all of it together stays within the stream's rate.",
    fix: "It is asked again by itself. If many hosts need it, see why the group does not reach them, or take a higher rate.",
  });
}

export function describedAnew(
  name: string,
  symbolBytes: { readonly ofStream: number; readonly ofHost: number },
): Fault {
  return new Fault("STREAM_DESCRIBED_ANEW", {
    what: `The stream's symbols have ${symbolBytes.ofStream} bytes, and ${name} goes by ${symbolBytes.ofHost}.`,
    why: "A host of this room gets no larger frames, the server was restarted, or this receiver is of an older version.",
    fix: "Ask for its description again; an older agent needs a new boot image, or a stream with --jumbo off.",
  });
}

export function streamFull(): Fault {
  return new Fault("STREAM_FULL", {
    what: `The stream has ${MOST_RECEIVERS} receivers, and takes no more.`,
    why: "So many machines joined it and have not finished.",
    fix: "Start another stream for the rest, or wait until some are done.",
  });
}

export function receiverUnknown(): Fault {
  return new Fault("RECEIVER_UNKNOWN", {
    what: "The server does not know this receiver.",
    why: "It never joined this stream, or the server was restarted since.",
    fix: "Start the restore again.",
  });
}

export function streamEncrypted(): Fault {
  return new Fault("STREAM_ENCRYPTED", {
    what: "This stream is encrypted, and the receiver did not ask for its key.",
    why: "It has an older version of bootcast, which does not know encrypted streams.",
    fix: 'Build the boot image anew ("bootcast boot-image build"), or send the stream without encryption.',
  });
}

/** For agents that know other servers of the site: agent/stream/ask-again.ts. */
export function streamElsewhere(streamId: string): Fault {
  return new Fault("STREAM_ELSEWHERE", {
    what: `The stream ${streamId} is not sent by this server.`,
    why: "Another server of this site sends it, or has ended, and it is taken over within some seconds.",
    fix: "Ask the other servers, and this one again.",
  });
}
