/**
 * The configuration file as `bootcast setup` makes it: valid as it is, every line with its default.
 *
 * @param dataDir undefined: the default
 */
export function exampleConfig(dataDir?: string): string {
  return `# bootcast. Every setting has a default, shown behind the #; an empty file is valid.
# "bootcast config show --origin" prints what is in effect, "bootcast config check" tries a change,
# "sudo systemctl restart bootcast" takes it over.

${dataDir === undefined ? '# data_dir = "/var/lib/bootcast"' : `data_dir = ${JSON.stringify(dataDir)}`}

[network]
# interfaces = ["eth0"]        # default: every interface with an address, but loopback
# dhcp = "proxy"               # "proxy": beside your DHCP server. "full": be the DHCP server. "off"
# register = true              # machines that nobody knows are given the agent, to register and wait

[multicast]
# group = "239.192.66.1"       # administratively scoped: it does not leave the site
# rate = "12MB/s"              # never more than this on the wire
# mode = "normal"              # "background" gives way to everybody, "fixed" to nobody

[hosts]
# names = "lab-{nn}"
# disk = "only"                # which disk is erased: the only one that fits, or a rule

[boot]
# menu = false                 # a menu on the screen of machines that nothing is ordered for

[http]
# port = 8440                  # boot files and agents

[https]
# port = 8443                  # the pages and the API
`;
}
