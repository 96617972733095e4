package admission

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"redoubt/internal/fault"
)

// Protocol is how a machine proves that it is the one that was allowed. Whatever the protocol, it also proves that it holds the key of its certificate.
type Protocol string

// The protocols. The empty one is Key.
const (
	Key   Protocol = "key"   // its key has the fingerprint that the administrator approved
	Token Protocol = "token" // it knows a secret that the administrator carried there
	Sys   Protocol = "sys"   // it calls from the right address: enough only where nobody else can
)

// ParseProtocol reads the name of a protocol, also the old ones. note says what was made of an old name.
func ParseProtocol(name string) (p Protocol, note string, err error) {
	switch strings.ToLower(name) {
	case "key":
		return Key, "", nil
	case "token":
		return Token, "", nil
	case "sys":
		return Sys, "", nil
	case "unix":
		return Sys, "unix is the old name of sys: by address and name", nil
	case "des":
		return Key, "des is the old name: the protocol is key, by which nodes prove themselves with public keys that an administrator approves", nil
	}
	return "", "", fault.Errorf(fault.Invalid, "there is no protocol %q; there are key (the default; also called des), token and sys (also called unix)", name)
}

// fingerprintLength is that of SHA256: and the unpadded base64 of 32 bytes.
const fingerprintLength = 7 + 43

// IsFingerprint reports whether the text has the form of a fingerprint.
func IsFingerprint(text string) bool {
	rest, ok := strings.CutPrefix(text, "SHA256:")
	if !ok || len(text) != fingerprintLength {
		return false
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(rest)
	return err == nil && len(b) == sha256.Size
}

// The form of a token: a name, the secret, and the fingerprint of the cluster by which the machine knows its sponsor. One string carries the proof of both sides.
const (
	tokenPrefix = "redoubt-join." //nolint:gosec // what every token begins with
	tokenSecret = 24              // bytes
	tokenLength = len(tokenPrefix) + 32 + 1 + 43
)

// NewToken makes the token with a secret of tokenSecret random bytes for the cluster with the fingerprint.
func NewToken(secret []byte, fingerprint string) (string, error) {
	if len(secret) != tokenSecret || !IsFingerprint(fingerprint) {
		return "", fault.Errorf(fault.Internal, "make a token: it takes %d random bytes and the fingerprint of the cluster", tokenSecret)
	}
	sum, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(fingerprint, "SHA256:"))
	if err != nil {
		return "", fault.Errorf(fault.Internal, "make a token: the fingerprint of the cluster: %w", err)
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(secret) + "." + base64.RawURLEncoding.EncodeToString(sum), nil
}

// TokenSecret is the number of random bytes in a token.
func TokenSecret() int { return tokenSecret }

// ParseToken gives the fingerprint of the cluster that a token is for. The error never holds the token.
func ParseToken(token string) (fingerprint string, err error) {
	bad := fault.Errorf(fault.Invalid, "this is no token to join with; `redoubt access allow -h HOST --token` on a node of the cluster prints one, and all of that line is needed")
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok || len(token) != tokenLength {
		return "", bad
	}
	secret, sum, ok := strings.Cut(rest, ".")
	if !ok {
		return "", bad
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(secret); err != nil || len(b) != tokenSecret {
		return "", bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if err != nil || len(b) != sha256.Size {
		return "", bad
	}
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(b), nil
}

// HashToken is what the repository keeps of a token. Its secret is long and random, so that one plain hash is enough.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte("redoubt token 1\n" + token))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// MatchToken reports whether the hash is the token's, in a time that does not depend on where they differ.
func MatchToken(token, hash string) bool {
	have := HashToken(token)
	if len(token) != tokenLength || len(have) != len(hash) {
		return false
	}
	var diff byte
	for i := range len(have) {
		diff |= have[i] ^ hash[i]
	}
	return diff == 0
}
