// A configuration of tmkms with every field that tmkms knows. The secrets in it are none.

export const TMKMS_EXAMPLE = `
[[chain]]
id = "cosmoshub-4"
key_format = { type = "bech32", account_key_prefix = "cosmospub", consensus_key_prefix = "cosmosvalconspub" }
sign_extensions = true
state_file = "state/cosmoshub-4.json"
state_hook = { cmd = ["/bin/height", "x"], timeout_secs = 1, fail_closed = true }

[[chain]]
id = "osmosis-1"
key_format = { type = "hex" }

[[chain]]
id = "irishub"
key_format = { type = "cosmos-json" }

[[validator]]
addr = "tcp://f88883b673fc69d7869cab098de3bafc2ff76eb8@10.0.1.10:26659"
chain_id = "cosmoshub-4"
secret_key = "kms-identity.key"
max_height = "500000"

[[validator]]
addr = "10.0.2.10:26659"
chain_id = "cosmoshub-4"
reconnect = false
timeout = 5
secret_key = "other-identity.key"
protocol_version = "v0.34"

[[validator]]
addr = "unix://run/osmosis.sock"
chain_id = "osmosis-1"
protocol_version = "v0.38"

[[validator]]
addr = "unix:///run/iris.sock"
chain_id = "irishub"

[[providers.softsign]]
chain_ids = ["cosmoshub-4"]
path = "secrets/cosmoshub-4.key"

[[providers.softsign]]
chain_ids = ["osmosis-1"]
key_type = "consensus"
key_format = "json"
path = "secrets/priv_validator_key.json"

[[providers.softsign]]
chain_ids = ["osmosis-1"]
key_type = "account"
path = "secrets/account.key"

[[providers.yubihsm]]
adapter = { type = "usb", timeout_ms = 1000 }
auth = { key = 1, password = "hunter2" }
keys = [
  { chain_ids = ["irishub"], key = 1, type = "consensus" },
  { chain_ids = ["irishub"], key = 2, type = "account" },
]
serial_number = "0123456789"
connector_server = { laddr = "tcp://127.0.0.1:12345", cli = { auth_key = 2 } }

[[providers.ledgertm]]
chain_ids = ["irishub"]

[[providers.fortanixdsm]]
api_endpoint = "https://sdkms.example.org"
api_key = "hunter2"
signing_keys = [
  { chain_ids = ["irishub"], type = "consensus", key_name = "a key" },
]
`;
