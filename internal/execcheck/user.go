package execcheck

import (
	"errors"
	"os/user"
	"strconv"

	"redoubt/internal/agent"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/execsec"
)

// Question asks as whom an executable runs.
type Question struct {
	Level      execsec.Level
	Path       string
	Configured string // Application_user; "": none
	Caller     int    // user id of who asks
}

// ChooseUser answers it: the user, and warnings for people. The error says why the executable may not be run.
func ChooseUser(q Question) (agent.User, []string, error) {
	p, err := pin(q.Path, false)
	if err != nil {
		return agent.User{}, nil, err
	}
	defer p.file.Close()
	a := execsec.Application{Level: q.Level, Path: q.Path, Facts: p.facts}
	if q.Configured != "" {
		u, err := account(q.Configured)
		if err != nil {
			return agent.User{}, nil, err
		}
		a.Configured = &execsec.Account{Name: u.Name, UID: u.UID, GID: u.GID, Groups: u.Groups}
	}
	owner, err := number(p.fact().UID)
	if err != nil {
		return agent.User{}, nil, err
	}
	caller, err := number(q.Caller)
	if err != nil {
		return agent.User{}, nil, err
	}
	a.Owner = execsec.Account{Name: owner.Name, UID: owner.UID, GID: owner.GID, Groups: owner.Groups}
	a.Caller = execsec.Account{Name: caller.Name, UID: caller.UID, GID: caller.GID, Groups: caller.Groups}
	c, err := execsec.Choose(a)
	if err != nil {
		return agent.User{}, nil, err
	}
	u, err := number(c.Account.UID)
	if a.Configured != nil && a.Configured.UID == c.Account.UID {
		u, err = account(q.Configured)
	}
	return u, c.Warnings, err
}

// account finds a user by name, or by number.
func account(name string) (agent.User, error) {
	if err := execsec.CheckUserName(name); err != nil {
		return agent.User{}, err
	}
	u, err := user.Lookup(name)
	if err == nil {
		return complete(u)
	}
	if _, unknown := errors.AsType[user.UnknownUserError](err); !unknown {
		return agent.User{}, fault.Errorf(fault.Unavailable, "look for user %s: %w", name, err)
	}
	if uid, nerr := strconv.Atoi(name); nerr == nil && uid >= 0 {
		return number(uid)
	}
	return agent.User{}, fault.Errorf(fault.NotFound, "there is no user %s on this node; create it on every node, with the same number", name)
}

// number finds the user with a number. One without an account has no groups and no home.
func number(uid int) (agent.User, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err == nil {
		return complete(u)
	}
	if _, unknown := errors.AsType[user.UnknownUserIdError](err); unknown {
		return agent.User{Name: strconv.Itoa(uid), UID: uid, GID: uid, Groups: []int{uid}, Home: "/"}, nil
	}
	return agent.User{}, fault.Errorf(fault.Unavailable, "look for user %d: %w", uid, err)
}

func complete(u *user.User) (agent.User, error) {
	out := agent.User{Name: u.Username, Home: u.HomeDir}
	var err error
	if out.UID, err = strconv.Atoi(u.Uid); err == nil {
		out.GID, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return out, fault.Errorf(fault.Internal, "user %s has no number: %w", u.Username, err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return out, fault.Errorf(fault.Unavailable, "look for the groups of user %s: %w", u.Username, err)
	}
	for _, g := range groups {
		n, err := strconv.Atoi(g)
		if err != nil {
			return out, fault.Errorf(fault.Internal, "group %s of user %s has no number", g, u.Username)
		}
		out.Groups = append(out.Groups, n)
	}
	return out, nil
}
