import { checkImageId, checkImageList, checkOption43, checkVendorClass } from "./bsdp-words.ts";
import { checkDhcpBehaviour } from "./dhcp-behaviour.ts";
import { checkDhcpPacket, checkMagicAndOptions, checkPxeClass, checkPxeOptions } from "./dhcp-words.ts";
import { checkHttpBehaviour } from "./http-behaviour.ts";
import { checkHttpRequest } from "./http-words.ts";
import type { Vector, VectorFile } from "./index-file.ts";
import { checkReply } from "./server-reply.ts";
import { checkTftpBehaviour } from "./tftp-behaviour.ts";
import { checkTftpPacket } from "./tftp-words.ts";
import { Verdict } from "./verdict.ts";

/**
 * Tries one vector on the product: our readers must understand its bytes as it
 * says, our server must answer its request with the same bytes and do what it
 * says with its packet.
 */
export async function checkVector(vector: Vector, server: VectorFile["server"]): Promise<Verdict> {
  const verdict = new Verdict();
  if (vector.problem !== undefined) {
    verdict.differs("the vector", "one that can be tried", vector.problem);
    return verdict;
  }
  try {
    await tryAll(verdict, vector, server);
  } catch (error) {
    // Whatever breaks on one vector must not hide what the others show.
    verdict.differs("all of it", "it can be tried", error instanceof Error ? (error.stack ?? error.message) : error);
  }
  return verdict;
}

async function tryAll(verdict: Verdict, vector: Vector, server: VectorFile["server"]): Promise<void> {
  const { family, layer, expect, bytes } = vector;
  switch (layer) {
    case "boot_image_id":
      checkImageId(verdict, expect, bytes);
      break;
    case "boot_image_list":
      checkImageList(verdict, expect, bytes);
      break;
    case "option43":
      if (family === "bsdp") checkOption43(verdict, expect, bytes);
      else checkPxeOptions(verdict, expect, bytes);
      break;
    case "option60":
      if (family === "bsdp") checkVendorClass(verdict, expect, bytes);
      else checkPxeClass(verdict, expect, bytes);
      break;
    case "magic+options":
      checkMagicAndOptions(verdict, expect, bytes);
      break;
    case "udp-payload":
      if (family === "tftp") checkTftpPacket(verdict, expect, bytes);
      else checkDhcpPacket(verdict, vector);
      break;
    case "tcp-payload":
      await checkHttpRequest(verdict, expect, bytes);
      break;
    default:
      verdict.differs("layer", "one that is known", layer);
  }
  checkReply(verdict, vector);
  if (family === "tftp") await checkTftpBehaviour(verdict, vector);
  else if (family === "http") await checkHttpBehaviour(verdict, vector);
  else await checkDhcpBehaviour(verdict, vector, server);
}
