package control

import (
	"fmt"
	"strings"
	"time"

	"redoubt/internal/rgm/model"
)

// certificateProblems says which certificates end soon or have ended, which exchange does not go on, and whose clock is wrong.
func (v view) certificateProblems(add addProblem) {
	for _, c := range v.snap.Certificates {
		w := v.wireCertificate(c)
		if w.State == "revoked" || w.State == "replaced" {
			continue
		}
		object, remedy := c.Kind+" "+c.Name, "`redoubt certificate renew "+c.Name+"`"
		switch c.Kind {
		case certUser:
			remedy = "`redoubt user certificate` gives the user another"
		case certPartner:
			remedy = "give the partner another"
		default:
			if !v.snap.Uses(c) {
				continue
			}
		}
		left, life := c.NotAfter.Sub(v.now), c.NotAfter.Sub(c.NotBefore)
		switch {
		case left <= 0 && c.Kind == certNode:
			add(severe, object, remedy, "its certificate expired on %s: new connections with it are refused", c.NotAfter.Format(time.RFC3339))
		case left <= 0 && left > -soonExpires:
			add(warning, object, remedy, "the certificate expired on %s", c.NotAfter.Format(time.RFC3339))
		case left > 0 && (c.Kind == certNode && left < life*3/10 || c.Kind != certNode && left < min(soonExpires, life/5)):
			why := ""
			if c.Kind == certNode {
				why = " and should have been renewed by itself; the log of that node says why it was not"
			}
			add(warning, object, remedy, "its certificate expires on %s%s", c.NotAfter.Format(time.RFC3339), why)
		case v.now.Before(c.NotBefore) && c.Kind == certNode:
			add(severe, object, "correct the clock of that node or of this one, then "+remedy, "its certificate is not valid before %s", c.NotBefore.Format(time.RFC3339))
		}
	}
	v.authorityProblems(certNodeAuthority, v.snap.Authorities.Node, add)
	v.authorityProblems(certUserAuthority, v.snap.Authorities.User, add)
	for _, t := range v.snap.Trusts {
		if t.ClockOff != 0 {
			add(warning, "node "+string(t.Node), "correct it, and let NTP keep the clocks together: certificates are judged by them", "its clock is %s", ahead(t.ClockOff))
		}
	}
}

func (v view) authorityProblems(kind string, l model.Lineage, add addProblem) {
	object := "authority of " + strings.TrimSuffix(kind, "-authority") + "s"
	remedy := "`redoubt certificate rotate-authority`"
	if kind == certUserAuthority {
		remedy = "`redoubt certificate rotate-authority --users`"
	}
	if root, ok := l.Signing(); ok && l.Stage == model.StageSettled && root.NotAfter.Sub(v.now) < 12*soonExpires {
		severity := warning
		if root.NotAfter.Sub(v.now) < soonExpires {
			severity = severe
		}
		add(severity, object, remedy, "it expires on %s", root.NotAfter.Format(time.DateOnly))
	}
	switch why := v.exchange(kind, l); {
	case why == "" || v.now.Sub(l.Started) <= time.Minute:
	case !l.Abandoned && l.Keyless(v.parties(), v.snap.Trusts):
		add(warning, object, "bring a node back that has the key; if all that had it are lost for good, "+remedy+" with --abandon gives the exchange up", "its exchange can not go on: %s", why)
	default:
		add(warning, object, "bring the nodes back that are waited for; "+remedy+" with -F does not wait, and shuts them out", "its exchange is not done: %s", why)
	}
}

// ahead says in words how a clock is wrong.
func ahead(seconds int) string {
	d, word := time.Duration(seconds)*time.Second, "ahead of"
	if d < 0 {
		d, word = -d, "behind"
	}
	return fmt.Sprintf("%s %s those of the other nodes", d, word)
}
