// Imports packages of all shapes (CommonJS, modules, dynamic imports), for the test that compares
// what a walk of the closure finds with what Node loads.

export * as kms from "@aws-sdk/client-kms";
export * as ssz from "@chainsafe/ssz";
export * as nist from "@noble/curves/nist.js";
