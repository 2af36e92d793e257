import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { standingOrders } from "../../server/store/image-orders.ts";
import type { ImageVersion } from "../../server/store/store.ts";
import { placeOf } from "../db/place.ts";

/** @throws {Fault} IMAGE_ORDERED when a host may still be given one of these */
export async function refuseOrdered(command: Command, images: readonly ImageVersion[]): Promise<void> {
  const orders = await standingOrders(placeOf(command));
  for (const { name, version } of images) {
    const order = orders.find((other) => other.name === name && other.version === version);
    if (order === undefined) continue;
    throw new Fault("IMAGE_ORDERED", {
      what: `${name}:${version} has to stay.`,
      why: `Session ${order.deployId} hands it out.`,
      fix: `Wait until it is done, or stop it: "bootcast session stop ${order.deployId}".`,
    });
  }
}
