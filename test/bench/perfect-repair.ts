/**
 * How many symbols of a block must be sent on average until each of `hosts` has enough of them, in units of the block:
 * the mean of the largest of so many negative binomial numbers.
 *
 * @param loss share that each host loses by itself, below 1
 */
export function mostOfHosts(symbols: number, loss: number, hosts: number): number {
  if (loss === 0) return 1;
  // How likely it is that exactly `sent` are needed, and that as many or fewer are.
  let chance = (1 - loss) ** symbols;
  let enough = chance;
  let mean = symbols;
  for (let sent = symbols; ; sent += 1) {
    const more = 1 - enough ** hosts;
    if (more < 1e-9) return mean / symbols;
    mean += more;
    chance *= (sent / (sent + 1 - symbols)) * loss;
    enough += chance;
  }
}
