// Package etcdstore keeps the configuration repository in an embedded etcd. It has the members (Member: a voter or a learner of the repository,
// run by this process), the client of all members (Store, a confdb.Store), the changes of the members (Electorate) and the snapshots of the whole
// repository.
//
// All traffic is TLS 1.3 with certificates of the cluster's own authority on both sides.
package etcdstore

import (
	"crypto/x509"
	"net"
	"net/url"
	"strconv"
)

// TLSFiles are the PEM files of a node: the authority's certificate, the node's own and its key. They are read anew for every connection, so that
// a renewed certificate needs no restart.
type TLSFiles struct {
	CA      string
	Cert    string
	Key     string
	Revoked string // a list of revoked certificates in DER form, of which only the serial numbers count; empty: none are

	// Accept looks at what a member shows to a client, its certificate first, after the handshake has verified it; nil: any will do.
	Accept func(chain []*x509.Certificate) error `json:"-"`
}

// hostPort is the form of an address that dialers take; IPv6 in brackets.
func hostPort(ip string, port int) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }

// secureURL is the form of an address that etcd takes.
func secureURL(ip string, port int) url.URL {
	return url.URL{Scheme: "https", Host: hostPort(ip, port)}
}
