package posture

import (
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
)

// soonExpires is how long before its end an authority is a problem.
const soonExpires = 30 * 24 * time.Hour

// leastBits is how long a key of each algorithm has to be.
var leastBits = map[string]int{"ECDSA": 256, "RSA": 3072, "Ed25519": 256}

// weakHashes are what no signature may use.
var weakHashes = []string{"MD2", "MD5", "SHA1"}

// certificateChecks are about certificates, keys and how connections are protected.
func certificateChecks() []Check {
	return []Check{
		{v1.CheckInfo{
			ID: "RC-CRT-001", Severity: Error, Area: areaCertificates, Title: "Certificates and authorities hold for long enough",
			Rationale: "A node whose certificate has expired is refused by the others. Certificates of nodes are renewed by themselves: one that soon ends says that this does not work.",
			Remedy:    "`redoubt certificate renew`, or for an authority `redoubt certificate rotate-authority`",
		}, func(f Facts, r *report) {
			r.problems(f.Problems.Certificates)
			for _, n := range f.Nodes { // of a certificate that is not in the list of those that were given, the node itself says when it ends
				object, at := "node "+n.Node, n.CertificateExpires
				if !at.IsZero() && at.Sub(f.Now) < soonExpires && !slices.ContainsFunc(r.findings, func(p v1.CheckFinding) bool { return p.Object == object }) {
					r.failed(Warning, object, "`redoubt certificate renew "+n.Node+"`", "its certificate expires on %s", at.Format(time.RFC3339))
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-CRT-002", Severity: Warning, Area: areaCertificates, Title: "No node has an authority that soon expires",
			Rationale: "With the authority every certificate that it has signed ends.", Remedy: "make a new authority before that day: `redoubt certificate rotate-authority`",
		}, func(f Facts, r *report) {
			for _, n := range f.Nodes {
				if at := n.AuthorityExpires; !at.IsZero() && at.Sub(f.Now) < soonExpires {
					r.fail("node "+n.Node, "the authority of the cluster expires on %s", at.Format(time.DateOnly))
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-CRT-003", Severity: Warning, Area: areaCertificates, Title: "No removed node knows the key of an authority",
			Rationale: "It can sign certificates in the name of nodes. Those count at no port that looks at the record of what was given; a voter that has not read it yet does not on the port between the members of the repository, and neither does a machine that joins.",
			Remedy:    "`redoubt certificate rotate-authority`, and with --users",
		}, func(f Facts, r *report) {
			if len(f.KnowNodes) > 0 {
				r.failed(Warning, "authority of nodes", "`redoubt certificate rotate-authority`", "node %s has known its key and was removed since", strings.Join(f.KnowNodes, ", "))
			}
			if len(f.KnowUsers) > 0 {
				r.failed(Warning, "authority of users", "`redoubt certificate rotate-authority --users`", "node %s has known its key and was removed since", strings.Join(f.KnowUsers, ", "))
			}
		}},
		{v1.CheckInfo{
			ID: "RC-TLS-001", Severity: Error, Area: areaCertificates, Title: "Every port speaks TLS 1.3 and nothing older, and verifies certificates that are shown",
			Rationale: "Older versions have handshakes that can be weakened by whoever sits between.", Remedy: "run the program as it was built; this is not configurable",
		}, func(f Facts, r *report) {
			r.each(f, func(node string, p *v1.NodePosture) {
				if len(p.TLS) == 0 {
					r.unknown("node "+node, "it says nothing of its ports")
				}
				for _, t := range p.TLS {
					if t.Minimum != "1.3" {
						r.fail("node "+node, "%s speaks TLS %s", t.Name, t.Minimum)
					}
					if !t.ClientCert {
						r.fail("node "+node, "%s does not verify the certificates of those that connect", t.Name)
					}
				}
			})
		}},
		{v1.CheckInfo{
			ID: "RC-TLS-002", Severity: Error, Area: areaCertificates, Title: "Keys and signatures are strong",
			Rationale: "Who computes a private key from the public one is that node, or that authority.", Remedy: "`redoubt certificate renew NODE`, or for an authority `redoubt certificate rotate-authority`",
		}, func(f Facts, r *report) {
			r.each(f, func(node string, p *v1.NodePosture) {
				if len(p.Certificates) == 0 {
					r.unknown("node "+node, "it says nothing of its certificates")
				}
				for _, c := range p.Certificates {
					least, known := leastBits[c.Key]
					switch {
					case !known:
						r.fail("node "+node, "%s has a key of the kind %s, which is not one of ECDSA, Ed25519 and RSA", c.Name, c.Key)
					case c.Bits < least:
						r.fail("node "+node, "%s has a key of the kind %s with %d bits; %d is the least", c.Name, c.Key, c.Bits, least)
					}
					if slices.ContainsFunc(weakHashes, func(h string) bool { return strings.Contains(strings.ReplaceAll(c.Signature, "-", ""), h) }) {
						r.fail("node "+node, "%s is signed with %s", c.Name, c.Signature)
					}
				}
			})
		}},
		{v1.CheckInfo{
			ID: "RC-TLS-003", Severity: Error, Area: areaCertificates, Title: "No certificate that a node uses has expired",
			Rationale: "Others refuse it; what it has open goes on until it is opened anew.", Remedy: "`redoubt certificate renew NODE`",
		}, func(f Facts, r *report) {
			r.each(f, func(node string, p *v1.NodePosture) {
				for _, c := range p.Certificates {
					if !c.NotAfter.After(f.Now) {
						r.fail("node "+node, "%s expired on %s", c.Name, c.NotAfter.Format(time.RFC3339))
					}
				}
			})
		}},
	}
}
