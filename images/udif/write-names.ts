// What hdiutil calls partitions in the names of its tables; a GPT type without a name of Apple's goes by its GUID.

export const gptTypes: Readonly<Record<string, string>> = {
  "48465300-0000-11AA-AA11-00306543ECAC": "Apple_HFS",
  "7C3457EF-0000-11AA-AA11-00306543ECAC": "Apple_APFS",
  "53746F72-6167-11AA-AA11-00306543ECAC": "Apple_CoreStorage",
  "426F6F74-0000-11AA-AA11-00306543ECAC": "Apple_Boot",
  "55465300-0000-11AA-AA11-00306543ECAC": "Apple_UFS",
};

export const mbrTypes: Readonly<Record<number, string>> = {
  1: "DOS_FAT_12",
  4: "DOS_FAT_16",
  6: "DOS_FAT_16",
  14: "DOS_FAT_16",
  11: "DOS_FAT_32",
  12: "DOS_FAT_32",
  7: "Windows_NTFS",
  130: "Linux_Swap",
  131: "Linux",
  168: "Apple_UFS",
  171: "Apple_Boot",
  175: "Apple_HFS",
};

/** By `fileSystemOf`. */
export const appleFileSystems: Readonly<Record<string, string>> = {
  hfs: "Apple_HFS",
  hfsplus: "Apple_HFS",
  hfsx: "Apple_HFSX",
  apfs: "Apple_APFS",
  ntfs: "Windows_NTFS",
};
