package control

import (
	"context"
	"encoding/pem"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
)

// maxUserCerts bounds the certificates of one user that count.
const maxUserCerts = 20

// UserCertificate signs a certificate for a user: whoever root says, or the caller himself. It counts only while the repository remembers that it was given.
func (c *Control) UserCertificate(ctx context.Context, who Caller, in v1.UserCertificate) (v1.UserCertified, error) {
	r, err := c.enter(ctx, who, "user certificate")
	if err != nil {
		return v1.UserCertified{}, err
	}
	name, err := oneName("user certificate", in.Names, in.All)
	if err != nil {
		return v1.UserCertified{}, err
	}
	if in.Days < 0 || in.Days > cluster.UserCertificateDays {
		return v1.UserCertified{}, fault.Errorf(fault.Invalid, "user certificate: a certificate for %d days; give 1 to %d", in.Days, cluster.UserCertificateDays)
	}
	// Whoever may not is not given a certificate that is then not written down.
	allowed := func(d *draft) error {
		if err := d.snap.Policy.CheckNew(rbac.KindUser, name); err != nil {
			return fault.Errorf(fault.Invalid, "%w", err)
		}
		count := 0
		for _, x := range d.certificatesOf(name) {
			if !x.Revoked && x.Expires.After(d.now) {
				count++
			}
		}
		if count >= maxUserCerts {
			return fault.Errorf(fault.Precondition, "user %s has %d certificates that count; revoke those that nobody uses with `redoubt user certificate --revoke`", name, count)
		}
		return nil
	}
	if err := allowed(&draft{view: c.look(r), who: who}); err != nil {
		return v1.UserCertified{}, err
	}
	issued, err := r.Authority.SignUser(ctx, in.Request, name, false, time.Duration(in.Days)*24*time.Hour)
	if err != nil {
		return v1.UserCertified{}, err
	}
	res, err := c.change(ctx, r, who, configuration(func(d *draft) error {
		if err := allowed(d); err != nil {
			return err
		}
		d.issue(issued)
		if _, ok := d.snap.Policy.Users[name]; !ok {
			d.say("user " + name + " holds nothing yet; `redoubt user grant` changes that")
		}
		return nil
	}))
	if err != nil {
		return v1.UserCertified{}, err
	}
	return v1.UserCertified{Messages: res.Messages, Fingerprint: issued.Record.Fingerprint, Chain: string(issued.Chain), Authority: nodeAuthority(c.look(r)), Expires: issued.Record.NotAfter, Revision: res.Revision}, nil
}

// UserRevokeCertificate revokes the certificates of users; open connections and watches end with them.
func (c *Control) UserRevokeCertificate(ctx context.Context, who Caller, in v1.UserRevokeCertificate) (v1.Result, error) {
	r, err := c.enter(ctx, who, "user revoke-certificate")
	if err != nil {
		return v1.Result{}, err
	}
	names, err := named("user", in.Names, in.All)
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		for _, n := range names {
			if err := d.mayChange(rbac.KindUser, n); err != nil {
				return err
			}
			if d.revokeUser(n, in.Fingerprint) == 0 {
				return fault.Errorf(fault.NotFound, "user %s has no such certificate that counts; `redoubt user show %s` shows those there are", n, n)
			}
		}
		return nil
	}))
}

// nodeAuthority is the authority of the nodes in PEM form.
func nodeAuthority(v view) string {
	var out []byte
	for _, root := range v.snap.Authorities.Node.Roots {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})...)
	}
	return string(out)
}
