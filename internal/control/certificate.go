package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// The kinds of authorities, as they are shown.
const (
	certNodeAuthority = "node-authority"
	certUserAuthority = "user-authority"
)

// CertificateList lists the fingerprints of certificates.
func (c *Control) CertificateList(ctx context.Context, who Caller, in v1.CertificateList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "certificate list")
	if err != nil {
		return nil, err
	}
	list, err := v.certificates(in.Names, in.Kind, in.Old)
	out := []string{}
	for _, x := range list {
		out = append(out, x.Fingerprint)
	}
	return out, err
}

// CertificateShow shows certificates and authorities.
func (c *Control) CertificateShow(ctx context.Context, who Caller, in v1.CertificateShow) ([]v1.Certificate, error) {
	_, v, err := c.reading(ctx, who, "certificate show")
	if err != nil {
		return nil, err
	}
	return v.certificates(in.Names, in.Kind, in.Old)
}

// certificates are those with the names or fingerprints, or all; without old only those that count.
func (v view) certificates(names []string, kind string, old bool) ([]v1.Certificate, error) {
	kinds := []string{certNodeAuthority, certUserAuthority, certNode, certUser, certPartner}
	if kind != "" && !slices.Contains(kinds, kind) {
		return nil, unknown("kind of certificate", kind, kinds)
	}
	all := append(v.authorities(certNodeAuthority, v.snap.Authorities.Node), v.authorities(certUserAuthority, v.snap.Authorities.User)...)
	for _, c := range v.snap.Certificates {
		all = append(all, v.wireCertificate(c))
	}
	var known []string
	for _, c := range all {
		known = append(known, c.Fingerprint, c.Name)
	}
	var errs []error
	for _, n := range names {
		if !slices.Contains(known, n) {
			errs = append(errs, unknown("certificate", n, known))
		}
	}
	out := []v1.Certificate{}
	for _, c := range all {
		dead := slices.Contains([]string{"replaced", "revoked", "expired"}, c.State) && !old && !slices.Contains(names, c.Fingerprint)
		if dead || kind != "" && c.Kind != kind || len(names) > 0 && !slices.Contains(names, c.Name) && !slices.Contains(names, c.Fingerprint) {
			continue
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b v1.Certificate) int {
		if d := slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind); d != 0 {
			return d
		}
		if d := strings.Compare(a.Name, b.Name); d != 0 {
			return d
		}
		return a.NotBefore.Compare(b.NotBefore)
	})
	return out, together(errs)
}

func (v view) wireCertificate(c model.Certificate) v1.Certificate {
	out := v1.Certificate{
		Fingerprint: c.Fingerprint, Kind: c.Kind, Name: c.Name, State: "valid", DaysLeft: daysLeft(c.NotAfter, v.now), NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Serial: c.Serial, Issuer: c.Issuer, By: c.By,
	}
	i, revoked := slices.BinarySearch(v.snap.Revoked, c.Fingerprint)
	node, is := check.Node(v.state, cluster.NodeName(c.Name))
	switch {
	case revoked:
		r := v.snap.Revocations[i]
		out.State, out.Revoked = "revoked", fmt.Sprintf("%s by %s: %s", r.At.Format(time.RFC3339), r.By, r.Reason)
	case !v.now.Before(c.NotAfter):
		out.State = "expired"
	case c.Kind == certNode && is && node.Certificate == c.Fingerprint:
		out.State = "in use"
	case c.Kind == certNode:
		out.State = "replaced"
	case v.now.Before(c.NotBefore):
		out.State = "not yet"
	}
	return out
}

func (v view) authorities(kind string, l model.Lineage) []v1.Certificate {
	signing, _ := l.Signing()
	var out []v1.Certificate
	for _, r := range l.Roots {
		c := v1.Certificate{
			Fingerprint: r.Fingerprint, Kind: kind, Name: v.state.Cluster.Name, State: "trusted", DaysLeft: daysLeft(r.NotAfter, v.now), NotAfter: r.NotAfter,
			Issuer: r.Fingerprint, Exchange: v.exchange(kind, l),
		}
		if r.Fingerprint == signing.Fingerprint {
			c.State = "signs"
		}
		out = append(out, c)
	}
	return out
}

// exchange says in words how far the exchange of an authority is; "" when there is none.
func (v view) exchange(kind string, l model.Lineage) string {
	if l.Stage == model.StageSettled {
		return ""
	}
	goes, comes := "old", "new"
	if l.Abandoned {
		goes, comes = "new", "old"
	}
	what := map[model.Stage]string{
		model.StageTrust:   "every node has to trust the new authority",
		model.StageReissue: "every node has to have a certificate of the " + comes + " authority",
		model.StageDrop:    "every node has to stop trusting the " + goes + " authority",
	}[l.Stage]
	_, _, waiting := l.Next(strings.TrimSuffix(kind, "-authority"), v.parties(), v.snap.Trusts, false)
	switch {
	case len(waiting) > 0:
		what += "; waits for " + strings.Join(words(waiting), ", ")
	case kind == certUserAuthority && l.Stage == model.StageReissue && !l.Force:
		what = "the " + goes + " authority stays until every certificate of a user that it gave has ended or is revoked"
	}
	if l.Keyless(v.parties(), v.snap.Trusts) {
		what += "; no node that is there has the key of the " + comes + " authority"
	}
	if l.Abandoned {
		what = "it was given up; " + what
	}
	return what
}

// parties are the configured nodes as the exchange of an authority sees them.
func (v view) parties() []model.Party {
	var out []model.Party
	for _, n := range v.state.Nodes {
		out = append(out, model.Party{Name: n.Name, Signs: !n.QuorumServer, Present: v.isMember(n.Name) || n.QuorumServer})
	}
	return out
}

// daysLeft are the whole days until a time; negative after it.
func daysLeft(at, now time.Time) int {
	left := at.Sub(now)
	if left < 0 {
		return int(left/(24*time.Hour)) - 1
	}
	return int(left / (24 * time.Hour))
}

// CertificateRenew gives nodes another certificate, for another key; nothing that runs notices.
func (c *Control) CertificateRenew(ctx context.Context, who Caller, in v1.CertificateRenew) (v1.Result, error) {
	r, err := c.enter(ctx, who, "certificate renew")
	if err != nil {
		return v1.Result{}, err
	}
	v := c.look(r)
	if len(in.Names) == 0 && !in.All {
		in.Names = []string{string(r.Node)}
	}
	names, err := selected("node", in.Names, in.All, nodeNames(v.state))
	if err != nil {
		return v1.Result{}, err
	}
	var out v1.Result
	var errs []error
	var renewed []string
	for _, n := range namesOf[cluster.NodeName](names) {
		var cert v1.Certificate
		if n == r.Node {
			cert, err = c.renewHere(ctx, r)
		} else {
			err = r.Peers.Call(ctx, n, "peer", "renew", v1.PeerRenew{}, &cert)
		}
		if err != nil {
			errs = append(errs, fault.Errorf(fault.CodeOf(err), "the certificate of node %s: %w", n, err))
			continue
		}
		out.Messages = append(out.Messages, fmt.Sprintf("node %s has the certificate %s now, until %s", n, cert.Fingerprint, cert.NotAfter.Format(time.DateOnly)))
		renewed = append(renewed, cert.Fingerprint)
	}
	// Another node has written it; whoever asks this one now shall see it.
	errs = append(errs, c.await(ctx, r, waiting{limit: seenLimit}, "this node has read that the certificates were changed", func(v view) error {
		for _, f := range renewed {
			if !slices.ContainsFunc(v.snap.Certificates, func(x model.Certificate) bool { return x.Fingerprint == f }) {
				return errNotYet
			}
		}
		return nil
	}))
	return out, together(errs)
}

func (c *Control) renewHere(ctx context.Context, r *Running) (v1.Certificate, error) {
	cert, err := r.Authority.Renew(ctx)
	if err != nil {
		return v1.Certificate{}, err
	}
	return c.look(r).wireCertificate(cert), nil
}

// CertificateRevoke makes certificates of users and partners, and old ones of nodes, count no more: on every node within a second or two, also on connections that are open.
func (c *Control) CertificateRevoke(ctx context.Context, who Caller, in v1.CertificateRevoke) (v1.Result, error) {
	r, err := c.enter(ctx, who, "certificate revoke")
	if err != nil {
		return v1.Result{}, err
	}
	if in.All {
		return v1.Result{}, fault.Errorf(fault.Invalid, "revoke: name the certificates; for all of them exchange the authority with `redoubt certificate rotate-authority`")
	}
	if len(in.Names) == 0 {
		return v1.Result{}, fault.Errorf(fault.Invalid, "revoke: name the fingerprint of a certificate, or a user or partner")
	}
	if in.Reason == "" {
		in.Reason = "no reason given"
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error { return d.revokeNamed(in.Names, in.Reason) }))
}

func (d *draft) revokeNamed(names []string, reason string) error {
	var known []string
	for _, x := range d.snap.Certificates {
		known = append(known, x.Fingerprint)
		if x.Kind != certNode {
			known = append(known, x.Name)
		}
	}
	var errs []error
	for _, name := range names {
		found := false
		for _, x := range d.snap.Certificates {
			if x.Fingerprint != name && (x.Kind == certNode || x.Name != name) {
				continue
			}
			found = true
			if n, ok := check.Node(d.state, cluster.NodeName(x.Name)); ok && x.Kind == certNode && n.Certificate == x.Fingerprint {
				errs = append(errs, fault.Errorf(fault.Precondition, "node %s uses this certificate and would be shut out; give it another with `redoubt certificate renew %s`, which ends the old one, or remove the node", n.Name, n.Name))
				continue
			}
			if _, already := slices.BinarySearch(d.snap.Revoked, x.Fingerprint); already || !d.now.Before(x.NotAfter) {
				continue
			}
			if x.Kind == certUser {
				if err := d.mayChangeUser(x.Name); err != nil {
					errs = append(errs, err)
					continue
				}
			}
			d.revoke(x, reason)
			d.say("the certificate " + x.Fingerprint + " of " + x.Kind + " " + x.Name + " counts no more")
		}
		if !found {
			errs = append(errs, unknown("certificate", name, known))
		}
	}
	return together(errs)
}
