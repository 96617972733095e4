package v1

import "time"

// Certificate is a certificate that the cluster has given, or one of its authorities.
type Certificate struct {
	Fingerprint string    `json:"fingerprint"`
	Kind        string    `json:"kind"` // node, user, partner, node-authority or user-authority
	Name        string    `json:"name"`
	State       string    `json:"state"` // valid, in use, replaced, revoked, expired, not yet; of an authority: signs, trusted
	DaysLeft    int       `json:"daysLeft"`
	NotBefore   time.Time `json:"notBefore,omitzero"`
	NotAfter    time.Time `json:"notAfter"`
	Serial      string    `json:"serial,omitempty"`
	Issuer      string    `json:"issuer"` // fingerprint of the authority
	By          string    `json:"by,omitempty"`
	Revoked     string    `json:"revoked,omitempty"`  // when, by whom and why
	Exchange    string    `json:"exchange,omitempty"` // of an authority: how far its exchange is, and who is waited for
}

// CertificateList asks for the fingerprints of certificates.
type CertificateList struct {
	Names []string `json:"names,omitempty" query:"names" doc:"fingerprints, or the names of nodes, users and partners"`
	All   bool     `json:"all,omitempty" query:"all"`
	Kind  string   `json:"kind,omitempty" query:"kind" doc:"only node, user, partner, node-authority or user-authority"`
	Old   bool     `json:"old,omitempty" query:"old" doc:"also those that have ended, were replaced or revoked"`
}

// CertificateShow asks for certificates.
type CertificateShow struct {
	Names []string `json:"names,omitempty" query:"names" doc:"fingerprints, or the names of nodes, users and partners"`
	All   bool     `json:"all,omitempty" query:"all"`
	Kind  string   `json:"kind,omitempty" query:"kind" doc:"only node, user, partner, node-authority or user-authority"`
	Old   bool     `json:"old,omitempty" query:"old" doc:"also those that have ended, were replaced or revoked"`
}

// CertificateRenew gives nodes another certificate, for another key.
type CertificateRenew struct {
	Names []string `json:"names,omitempty" doc:"nodes; this one if none are named"`
	All   bool     `json:"all,omitempty"`
}

// CertificateRevoke makes certificates count no more.
type CertificateRevoke struct {
	Names  []string `json:"names,omitempty" doc:"fingerprints, or the names of users and partners"`
	All    bool     `json:"all,omitempty"`
	Reason string   `json:"reason,omitempty" maxLength:"200"`
}

// CertificateRotateAuthority exchanges an authority of the cluster for another.
type CertificateRotateAuthority struct {
	Users bool `json:"users,omitempty" doc:"the authority of users and partners, not that of nodes"`
	Force bool `json:"force,omitempty" doc:"do not wait for nodes that are away, nor for certificates of users: they are shut out"`
	// Abandon is for an exchange whose successor's key was lost with the only node that had it.
	Abandon bool `json:"abandon,omitempty" doc:"give the exchange that is under way up, because no node that is there has the key of the successor: the old authority stays"`
}

// PeerRenew tells a node to give itself another certificate.
type PeerRenew struct{}

// PeerSign asks a node that has the authority's key to sign another certificate of the calling node.
type PeerSign struct {
	Request []byte `json:"request" maxLength:"16384"` // DER
}

// PeerSigned is the answer.
type PeerSigned struct {
	Certificate []byte `json:"certificate"` // DER
}

// PeerKey asks for the key of an authority, which every node but a quorum server has.
type PeerKey struct {
	Fingerprint string `json:"fingerprint" maxLength:"64"`
}

// PeerAuthorityKey is the answer: sealed to the key in the node's record, which nobody has who has only made a certificate in its name. In the clear it is as long as the
// cluster has nodes of a release that reads nothing else.
type PeerAuthorityKey struct {
	Key    []byte `json:"key,omitempty" secret:"true"` // PKCS #8
	Sealed []byte `json:"sealed,omitempty" secret:"true"`
}

// PeerTime asks what time it is.
type PeerTime struct{}

// PeerNow is the answer.
type PeerNow struct {
	Now time.Time `json:"now"`
}
