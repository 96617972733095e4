package execcheck

import (
	"errors"
	"os/user"
	"strconv"
	"strings"

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

// AppUser says as whom a command of a property runs: the user of the first program it names, for all of it. nil is root. Every further program that the
// command names is held to the same user: a command that would let root run what another owns is refused.
func (g *Gate) AppUser(call agent.Call, command string, env []string) (*agent.User, error) {
	level := g.cfg.Level()
	programs, err := g.programs(command, env)
	if err != nil {
		return nil, err
	}
	configured := call.Resource.ApplicationUser
	if len(programs) == 0 {
		programs = []string{"/bin/sh"} // all of it is the shell's own
	}
	var chosen agent.User
	for i, path := range programs {
		q := Question{Level: level, Path: path, Configured: configured}
		if i > 0 && chosen.UID != 0 {
			break // what else runs, runs as that user too
		}
		u, warnings, err := ChooseUser(q)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			chosen = u
		} else if u.UID != 0 {
			err := fault.Errorf(fault.Precondition, "the command runs %s, which belongs to user %s, as root; set Application_user, or chown root %s", path, u.Name, path)
			if level == execsec.Secure || level == execsec.Warn {
				return nil, err
			}
			warnings = append(warnings, err.Error())
		}
		for _, w := range warnings {
			g.warn(level, path, []execsec.Violation{{Path: path, Why: w}})
		}
	}
	if chosen.UID == 0 {
		return nil, nil
	}
	return &chosen, nil
}

// programs are the files of the programs that a command names. A word that is no program in PATH is the shell's own.
func (g *Gate) programs(command string, env []string) ([]string, error) {
	var out []string
	for _, word := range execsec.Programs(command) {
		if strings.Contains(word, "/") {
			switch {
			case strings.HasPrefix(word, "/"):
			case g.cfg.Level() != execsec.Secure:
				continue // where it lies is known only when it runs
			default:
				return nil, fault.Errorf(fault.Invalid, "the command names the program %q: give its path from the root, so that it can be seen who may write it", word)
			}
			out = append(out, word)
			continue
		}
		path, facts, err := lookup(word, env)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := execsec.Refuse(g.cfg.Level(), word, execsec.Judge(facts, 0)); err != nil {
			return nil, err
		}
		out = append(out, path)
	}
	return out, nil
}
