package pki

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"time"

	"redoubt/internal/fault"
)

// RevocationList makes the list of serial numbers, in DER, that the repository's ports read with every connection. It is for this machine only and is
// believed because of where it lies, so that a key made for the purpose signs it: not every node has an authority's.
func RevocationList(serials []*big.Int, now time.Time) ([]byte, error) {
	signer, err := NewAuthority(AuthorityOfNodes, "local", "revocations", now)
	if err != nil {
		return nil, err
	}
	list := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now, NextUpdate: now.Add(AuthorityLife)}
	for _, s := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: now})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, signer.Cert, signer.Key)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "write the list of revoked certificates: %w", err)
	}
	return der, nil
}
