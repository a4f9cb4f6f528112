// Known answers for the self-test at boot, one of each scheme. They are published test keys, and
// none of ours: nothing here is secret.

import type { Scheme } from "../../shared/scheme.ts";

/** All in hex. */
export type SelfTestVector = {
  readonly secret: string;
  readonly publicKey: string;
  readonly message: string;
  readonly signature: string;
};

export type SelfTestVectors = Readonly<Record<Scheme, SelfTestVector>>;

export const SELF_TEST_VECTORS: SelfTestVectors = {
  /** ethereum/bls12-381-tests, sign_case_84d45c9c7cca6b92. */
  "bls12381-pop": {
    secret: "263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3",
    publicKey:
      "a491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20f" +
      "d6e10c1b77654d067c0618f6e5a7f79a",
    message: "5656565656565656565656565656565656565656565656565656565656565656",
    signature:
      "882730e5d03f6b42c3abc26d3372625034e1d871b65a8a6b900a56dae22da98a" +
      "bbe1b68f85e49fe7652a55ec3d0591c20767677e33e5cbb1207315c41a9ac03b" +
      "e39c2e7668edc043d6cb1d9fd93033caa8a1c5b0e84bedaeb6c64972503a43eb",
  },
  /** RFC 8032 §7.1, TEST 3. */
  ed25519: {
    secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
  /** The vector that Bitcoin's and Trezor's tests of RFC 6979 share. */
  secp256k1: {
    secret: "0000000000000000000000000000000000000000000000000000000000000001",
    publicKey: "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    message:
      "45766572797468696e672073686f756c64206265206d6164652061732073696d" +
      "706c6520617320706f737369626c652c20627574206e6f742073696d706c6572" +
      "2e",
    signature:
      "33a69cd2065432a30f3d1ce4eb0d59b8ab58c74f27c41a7fdb5696ad4e6108c9" +
      "6f807982866f785d3f6418d24163ddae117b7db4d5fdf0071de069fa54342262",
  },
  /** Made by CometBFT v0.40.0 itself, out of a test key of tmkms. */
  "bls12381-nul": {
    secret: "20d068d7c44e951610d54a7eb90279e8a31b61128d44d2dd92311763c468185c",
    publicKey:
      "0500fa256dbf5776001c4934de9481047777ae779b8e1dc667bb1f3f7075976e" +
      "ff26fffee9740339d67df077e4a5956f1860a69d24e34413f7629186ad707253" +
      "049ce34e142df388859ef23fa2ad0f8528588a335eee3cdce930ba19414b2a16",
    message: "ff",
    signature:
      "893e64932b63f13ecb2b6f6e2215548b18284728877cb72a3f782ca76947af7b" +
      "912c61d8cb9f45358b8660a0c0f7ef000f10cd70bad9899d9aad6bd22990ec4b" +
      "d24640c89e397c526510333b8a23df812f69bceaa71a9c4b3d8d176941e66b67",
  },
  /** CometBFT v0.40.0, crypto/secp256k1eth TestGoEthereumCompatibilityVector. */
  secp256k1eth: {
    secret: "289c2857d4598e37fb9647507e47a309d6133539bf21a8b9cb6df88fd5232032",
    publicKey: "037db227d7094ce215c3a0f57e1bcc732551fe351f94249471934567e0f5dc1bf7",
    message: "636f6d657462667420736563703235366b316574682063726f73732d636f6d7061746962696c697479",
    signature:
      "1286c5fe4bdd3ad17ee1245b19a953d7422db02c0404a9c13bb95094d440f07d" +
      "2dd0c7a09c45b7f02e4eb633156ad7f649a604016471dde6c14c3ecf50175e0f" +
      "00",
  },
};
