// Keys, addresses, key files and signatures that CometBFT itself made: v0.40.0 (built with the tag
// bls12381), and v2.0.0-rc1 (built with secp256k1eth) for the one file that it writes differently.
// The first secret is a test key of tmkms-p2p, without its two highest bits where it is a scalar
// below BLS12-381's order; the second is 1.

import type { MessageScheme } from "../../enclave/keys/message-signer.ts";

export type CometbftKey = {
  readonly scheme: MessageScheme;
  /** In hex, as all that follows; the address as CometBFT prints it. */
  readonly secret: string;
  readonly publicKey: string;
  readonly address: string;
  readonly signatures: readonly { readonly message: string; readonly signature: string }[];
  /** `priv_validator_key.json`. */
  readonly file: KeyFile;
};

export type KeyFile = {
  readonly address: string;
  readonly pub_key: { readonly type: string; readonly value: string };
  readonly priv_key: { readonly type: string; readonly value: string };
};

/** What is signed for a prevote: tendermint.md §4.2. */
const PREVOTE =
  "740801116400000000000000224a0a20d04b98f48e8f8bcc15c6ae5ac050801cd6dcfd428fb5f9e65c4e16e7807340fa122608c0843d1220d04b98f48e8f8bcc15c6ae5ac050801cd6dcfd428fb5f9e65c4e16e7807340fa2a0c08a2d8ffd30510c0f2e3ec02320d746573745f636861696e5f6964";

export const COMETBFT_KEYS: readonly CometbftKey[] = [
  {
    scheme: "ed25519",
    secret: "a0d068d7c44e951610d54a7eb90279e8a31b61128d44d2dd92311763c468185c",
    publicKey: "8f5a716b651b628b3e6fffd28f8b1fafc765fcfca53f7cad89f4680585c76680",
    address: "53AC1AB90AE04FE50C1ED6293C1FDE802858BF87",
    signatures: [
      {
        message: "",
        signature:
          "27af9a82a037cb70dfbb68ad8baac6b1bc34f5281c2f7589e869d9e454270c3d49d073a05423fe517b44175b973f0b3e9161bd7c25978eded539561900d99006",
      },
      {
        message: PREVOTE,
        signature:
          "78c10140ec54f6bf06c683208a2e8d892fdd43e84c48efea843f81d44763d129adb4ce2ec187e4d4a978b8b4bc2c554711fa25a115031801670015337a4edb07",
      },
    ],
    file: {
      address: "53AC1AB90AE04FE50C1ED6293C1FDE802858BF87",
      pub_key: {
        type: "tendermint/PubKeyEd25519",
        value: "j1pxa2UbYos+b//Sj4sfr8dl/PylP3ytifRoBYXHZoA=",
      },
      priv_key: {
        type: "tendermint/PrivKeyEd25519",
        value:
          "oNBo18ROlRYQ1Up+uQJ56KMbYRKNRNLdkjEXY8RoGFyPWnFrZRtiiz5v/9KPix+vx2X8/KU/fK2J9GgFhcdmgA==",
      },
    },
  },
  {
    scheme: "secp256k1",
    secret: "a0d068d7c44e951610d54a7eb90279e8a31b61128d44d2dd92311763c468185c",
    publicKey: "02c2d743eda8fa87f7fb0715d0286d6a9ad9b3c5c9c5466ec7089531bbb2981b65",
    address: "E85E647492A0B0BB159BA53428F628CE5DD886B1",
    signatures: [
      {
        message: "",
        signature:
          "995d1bb00c5e94947ccddd881d14078716dc9f3ba4736accb5e54fd2e7bfe227236e11cb541f6cb3497cd75d9ab173cab07c9d896f31fdea57a6400eafd81026",
      },
      {
        message: PREVOTE,
        signature:
          "370d6b62f7cd475af26058222c15d20af0df2e482f0b50521a829778090a7b4232ff53af4aeef089d5a6cdd0ad50b9e007ca510beb4e12f0de08e52427e8a548",
      },
    ],
    file: {
      address: "E85E647492A0B0BB159BA53428F628CE5DD886B1",
      pub_key: {
        type: "tendermint/PubKeySecp256k1",
        value: "AsLXQ+2o+of3+wcV0ChtaprZs8XJxUZuxwiVMbuymBtl",
      },
      priv_key: {
        type: "tendermint/PrivKeySecp256k1",
        value: "oNBo18ROlRYQ1Up+uQJ56KMbYRKNRNLdkjEXY8RoGFw=",
      },
    },
  },
  {
    scheme: "secp256k1eth",
    secret: "a0d068d7c44e951610d54a7eb90279e8a31b61128d44d2dd92311763c468185c",
    publicKey: "02c2d743eda8fa87f7fb0715d0286d6a9ad9b3c5c9c5466ec7089531bbb2981b65",
    address: "0682977DD2EFB830948BBF2FCD049719B46C7D7B",
    signatures: [
      {
        message: "",
        signature:
          "2ff650de4e926e07705325a44c0f44c885c2b0f6eb79ddebaa035ab1a5638cec19a88ae5a3024ef1ff4d3cb14336e27f3ae1b6810d05aa8ff67e7e61fc4f5cdc00",
      },
      {
        message: PREVOTE,
        signature:
          "7c8106077e9fd5a434d70930a6ee6375d93e2683a54b4d544f43d813ca28771b32b55179eca2dd0f963f36b3f2267073328940f502e1fbea3f40941bb208bd3a01",
      },
    ],
    file: {
      address: "0682977DD2EFB830948BBF2FCD049719B46C7D7B",
      pub_key: {
        type: "tendermint/PubKeySecp256k1eth",
        value: "AsLXQ+2o+of3+wcV0ChtaprZs8XJxUZuxwiVMbuymBtl",
      },
      priv_key: {
        type: "tendermint/PrivKeySecp256k1eth",
        value: "oNBo18ROlRYQ1Up+uQJ56KMbYRKNRNLdkjEXY8RoGFw=",
      },
    },
  },
  {
    scheme: "bls12381-nul",
    secret: "20d068d7c44e951610d54a7eb90279e8a31b61128d44d2dd92311763c468185c",
    publicKey:
      "0500fa256dbf5776001c4934de9481047777ae779b8e1dc667bb1f3f7075976eff26fffee9740339d67df077e4a5956f1860a69d24e34413f7629186ad707253049ce34e142df388859ef23fa2ad0f8528588a335eee3cdce930ba19414b2a16",
    address: "9BA0F4E11733E42BC94FBBA3E0D6B6AD50599B2E",
    signatures: [
      {
        message: "",
        signature:
          "98a6cd5e21907d6653c60189833dc1fa0f0b73b65c9c607c01824f5ccc5640d1e15cae0f6e1a9855e69998e5d2007484068735ca1ea25e4d760c4ea0d1efefa0e3b4eed0b1bdeebd667d5ee3404ddb39d213d31bffc28f378325c5a16a17adc6",
      },
      {
        message: PREVOTE,
        signature:
          "8a74b83b7c46e88a4b691ed1009feac3f563241b79b075cbef096a30ced4c46e07e087c9a0353a6a3634eb087dca9a540736ff13a62f86ab8baf36d9bf58c38d3bd94a24fb1620e78bee076d6c2cb6aef3d9085bac52164a034314dae8e84f33",
      },
    ],
    file: {
      address: "9BA0F4E11733E42BC94FBBA3E0D6B6AD50599B2E",
      pub_key: {
        type: "cometbft/PubKeyBls12_381",
        value:
          "BQD6JW2/V3YAHEk03pSBBHd3rnebjh3GZ7sfP3B1l27/Jv/+6XQDOdZ98HfkpZVvGGCmnSTjRBP3YpGGrXByUwSc404ULfOIhZ7yP6KtD4UoWIozXu483OkwuhlBSyoW",
      },
      priv_key: {
        type: "cometbft/PrivKeyBls12_381",
        value: "INBo18ROlRYQ1Up+uQJ56KMbYRKNRNLdkjEXY8RoGFw=",
      },
    },
  },
  {
    scheme: "ed25519",
    secret: "0000000000000000000000000000000000000000000000000000000000000001",
    publicKey: "4cb5abf6ad79fbf5abbccafcc269d85cd2651ed4b885b5869f241aedf0a5ba29",
    address: "4A67330B803D5C88757AFB9328615344A89C4983",
    signatures: [
      {
        message: "",
        signature:
          "7e1b9dc1e332c4238edcd07a68101474b640fdcb1b7b84fb711ac4bfbc85eb85a77480950d69398dcd19f61e1ea74d0f183cfbf34df8f6e7733ebfb9f944f106",
      },
      {
        message: PREVOTE,
        signature:
          "a5fe170cf3b5aaec19f65621bc1f3533d7bd98ca4cb31eaf96d071a49e0958f4e863ed2f8765a4c88240a625a97d62f1e38a572784a62e146aef3f81bdf8380a",
      },
    ],
    file: {
      address: "4A67330B803D5C88757AFB9328615344A89C4983",
      pub_key: {
        type: "tendermint/PubKeyEd25519",
        value: "TLWr9q15+/WrvMr8wmnYXNJlHtS4hbWGnyQa7fCluik=",
      },
      priv_key: {
        type: "tendermint/PrivKeyEd25519",
        value:
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFMtav2rXn79au8yvzCadhc0mUe1LiFtYafJBrt8KW6KQ==",
      },
    },
  },
  {
    scheme: "secp256k1",
    secret: "0000000000000000000000000000000000000000000000000000000000000001",
    publicKey: "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    address: "751E76E8199196D454941C45D1B3A323F1433BD6",
    signatures: [
      {
        message: "",
        signature:
          "77c8d336572f6f466055b5f70f433851f8f535f6c4fc71133a6cfd71079d03b70ed9f5eb8aa5b266abac35d416c3207e7a538bf5f37649727d7a9823b1069577",
      },
      {
        message: PREVOTE,
        signature:
          "a729b88e21124e8593cbe129105ee1495dd40b6effe5a26a41b39208d194fc8b4148da2160c2e12dee9c5d472e3f2d81c65e3d07bbfed8d2423f04ac82df872b",
      },
    ],
    file: {
      address: "751E76E8199196D454941C45D1B3A323F1433BD6",
      pub_key: {
        type: "tendermint/PubKeySecp256k1",
        value: "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY",
      },
      priv_key: {
        type: "tendermint/PrivKeySecp256k1",
        value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=",
      },
    },
  },
  {
    scheme: "secp256k1eth",
    secret: "0000000000000000000000000000000000000000000000000000000000000001",
    publicKey: "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    address: "7E5F4552091A69125D5DFCB7B8C2659029395BDF",
    signatures: [
      {
        message: "",
        signature:
          "03925438bf9bdfed9cb8d9d9467f8fc624f389846f0db71f4f5c84b483077da62ca68cb1027ace392bc6a84fe0ba29288aa07942f571f56201dd33c009ee388601",
      },
      {
        message: PREVOTE,
        signature:
          "8fbaa620911dd235475186d68b46921564cf69b115354f29f561747d26f1f7d701abbb37b09be0ae60d298da33c70e29c7c2aa0e0e7a1742d445c9c7703c26c701",
      },
    ],
    file: {
      address: "7E5F4552091A69125D5DFCB7B8C2659029395BDF",
      pub_key: {
        type: "tendermint/PubKeySecp256k1eth",
        value: "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY",
      },
      priv_key: {
        type: "tendermint/PrivKeySecp256k1eth",
        value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=",
      },
    },
  },
  {
    scheme: "bls12381-nul",
    secret: "0000000000000000000000000000000000000000000000000000000000000001",
    publicKey:
      "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1",
    address: "B1FBE330769A11ACC36FC723335B0220323273E0",
    signatures: [
      {
        message: "",
        signature:
          "a8aab303e33ed14f4a904004a92bd26ffc969c1d1e7d4b7f0c04150a73e1845a911e51a2b2d369d5cef06560c5ac9f5715c01566993d4469805df3e1f29b536481a832bf2751b6908faed6776d062d585521889232999d72b679d6e38bb5cfff",
      },
      {
        message: PREVOTE,
        signature:
          "8d8f4e53fba426c299fa2ef193cfb7634c9d2068e5be393e9cb72f52e5198135f6baa97b4c7cb3fbfcb3abf952a3f0c519f49e4a2c7bfe2c0b40c701dbad8f42a0758ad12d9e73ef485b5b2975ed3182b9e8b5960cefc3e681bad4f564a2b00e",
      },
    ],
    file: {
      address: "B1FBE330769A11ACC36FC723335B0220323273E0",
      pub_key: {
        type: "cometbft/PubKeyBls12_381",
        value:
          "F/HTpzGX15QmlWOMT6msD8NojE+XdLkFoU46PxcbrFhsVeg/+Xoa7/s68ArbIsa7CLP0geOqoPGgnjDtdB2K5Pz14JXV0Ar2ANsYyywEs+3QPMdEooiK5AyqIylGxefh",
      },
      priv_key: {
        type: "cometbft/PrivKeyBls12_381",
        value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=",
      },
    },
  },
];

/** Of the first secret, as v2.0.0-rc1 writes it: another type, and the public key in 65 bytes. */
export const V2_ETH_FILE: KeyFile = {
  address: "0682977DD2EFB830948BBF2FCD049719B46C7D7B",
  pub_key: {
    type: "cometbft/PubKeySecp256k1eth",
    value:
      "BMLXQ+2o+of3+wcV0ChtaprZs8XJxUZuxwiVMbuymBtliQZJWX29Gf01sSbh0e6jgu7NcjBPHJ0SPcmEBbrRlpg=",
  },
  priv_key: {
    type: "cometbft/PrivKeySecp256k1eth",
    value: "oNBo18ROlRYQ1Up+uQJ56KMbYRKNRNLdkjEXY8RoGFw=",
  },
};

export function bytesOfHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

export function bytesOfKey({ secret, publicKey }: CometbftKey) {
  return { secret: bytesOfHex(secret), publicKey: bytesOfHex(publicKey) };
}
