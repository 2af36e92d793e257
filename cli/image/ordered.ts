import { Fault } from "../../fault.ts";
import { standingOrders } from "../../server/store/image-orders.ts";
import type { ImageVersion } from "../../server/store/store.ts";

/** @throws {Fault} IMAGE_ORDERED when a host may still be given one of these */
export function refuseOrdered(dataDir: string, images: readonly ImageVersion[]): void {
  const orders = standingOrders(dataDir);
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
