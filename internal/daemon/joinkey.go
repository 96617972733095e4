package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"os"

	"redoubt/internal/fault"
)

// fileJoin is the key by which this machine is known before it has a certificate. It becomes the key of its first certificate.
const fileJoin = "join.key"

// joinKey is the key with which this machine proves itself when it joins. It is made when there is none, and never leaves the machine.
func (c Config) joinKey() (*ecdsa.PrivateKey, error) {
	path := c.path(fileJoin)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "make the key of this machine: %w", err)
		}
		return key, writeKey(path, key)
	}
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, damaged(path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, damaged(path, fault.Errorf(fault.Internal, "it is no ECDSA key"))
	}
	return key, nil
}

// keyFingerprint is how people compare keys: the hash of the public half, in the form of certificates' fingerprints.
func keyFingerprint(public any) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fault.Errorf(fault.Internal, "fingerprint of a key: %w", err)
	}
	sum := sha256.Sum256(der)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), nil
}

// joinRequest is the signing request of this machine's key.
func (c Config) joinRequest() (key *ecdsa.PrivateKey, der []byte, err error) {
	if key, err = c.joinKey(); err != nil {
		return nil, nil, err
	}
	der, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: string(c.Node)}}, key)
	if err != nil {
		return nil, nil, fault.Errorf(fault.Internal, "make the signing request of node %s: %w", c.Node, err)
	}
	return key, der, nil
}
