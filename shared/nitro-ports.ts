// The vsock ports on Nitro. The enclave listens for the parent's links; the parent listens for the
// enclave's connections to the store and the relay. They are part of the image, so that an enclave
// never asks anybody where to connect.

export const LINK_PORT = 8000;
export const STORE_PORT = 8001;
export const RELAY_PORT = 8002;

/** The parent instance, as every enclave sees it (nitro-kms.md §7). */
export const PARENT_CID = 3;
