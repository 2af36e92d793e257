import type { DriverGroup } from "./driver-group.ts";

/** Disks, and everything that stands between them and the processor. */
export const storageDrivers: readonly DriverGroup[] = [
  {
    title: "Disks",
    drivers: {
      nvme: "NVMe",
      ahci: "SATA",
      "drivers/ata/": "SATA and IDE controllers that are not AHCI, from Intel PIIX to Silicon Image",
      vmd: "NVMe behind Intel's Volume Management Device (often called RST)",
      sd_mod: "SATA, SAS, SCSI and USB disks",
      sr_mod: "CD and DVD drives",
      ses: "disk enclosures",
      mmc_block: "eMMC and SD cards",
      sdhci: "SD host controllers",
      sdhci_pci: "SD host controllers on PCI",
      sdhci_acpi: "SD host controllers of tablets and small PCs",
      rtsx_pci: "Realtek card readers",
      rtsx_pci_sdmmc: "Realtek card readers",
      rtsx_usb: "Realtek card readers on USB",
      rtsx_usb_sdmmc: "Realtek card readers on USB",
      usb_storage: "USB disks and sticks",
      uas: "USB disks that speak UASP",
    },
  },
  {
    title: "RAID and SAS controllers",
    drivers: {
      mpt3sas: "LSI and Broadcom SAS 2, SAS 3 host adapters",
      mpi3mr: "Broadcom SAS 4 host adapters",
      mptsas: "LSI Fusion MPT SAS",
      mptspi: "LSI Fusion MPT SCSI; what VMware offers",
      megaraid_sas: "LSI and Broadcom MegaRAID, Dell PERC 5 and newer",
      megaraid_mbox: "LSI MegaRAID of the time of SCSI",
      aacraid: "Adaptec",
      hpsa: "HP Smart Array",
      smartpqi: "Microsemi and HPE Smart Array, newer",
      isci: "Intel C600",
      mvsas: "Marvell 88SE6xxx, 88SE9xxx",
      arcmsr: "Areca",
      sym53c8xx: "Symbios 53C8xx",
      am53c974: "AMD 53c974; what QEMU offers",
      scsi_transport_sas: "what all SAS controllers share",
    },
  },
  {
    title: "Disks of virtual machines",
    drivers: {
      virtio_blk: "QEMU, KVM, Proxmox, UTM",
      virtio_scsi: "the same as SCSI",
      virtio_pci: "the bus of both",
      virtio_mmio: "the same without PCI",
      vmw_pvscsi: "VMware",
      hv_storvsc: "Hyper-V",
      xen_blkfront: "Xen",
    },
  },
];

export const armStorageDrivers: readonly DriverGroup[] = [
  {
    title: "Disks of arm64 boards",
    drivers: {
      sdhci_iproc: "Raspberry Pi",
      bcm2835: "Raspberry Pi up to 3",
      sdhci_of_dwcmshc: "Synopsys, Rockchip RK35xx",
      sdhci_of_arasan: "Arasan",
      sdhci_cadence: "Cadence",
      sdhci_esdhc_imx: "NXP i.MX",
      dw_mmc_rockchip: "Rockchip",
      ahci_platform: "SATA without PCI",
    },
  },
];
