// Runs a Lua script on an object as Argo CD does: the same interpreter, the object as the global `obj`, and no library
// that reaches outside. The script comes as the first argument, the object as JSON on standard input; what it returns is
// printed as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(script string) error {
	var object any
	if err := json.NewDecoder(os.Stdin).Decode(&object); err != nil {
		return err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.StringLibName, lua.OpenString}} {
		state.Push(state.NewFunction(library.open))
		state.Push(lua.LString(library.name))
		state.Call(1, 0)
	}
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(fromLua(state.Get(-1)))
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch each := value.(type) {
	case bool:
		return lua.LBool(each)
	case float64:
		return lua.LNumber(each)
	case string:
		return lua.LString(each)
	case []any:
		table := state.NewTable()
		for _, item := range each {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for name, item := range each {
			table.RawSetString(name, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}

func fromLua(value lua.LValue) any {
	switch each := value.(type) {
	case lua.LBool:
		return bool(each)
	case lua.LNumber:
		return float64(each)
	case lua.LString:
		return string(each)
	case *lua.LTable:
		fields := map[string]any{}
		each.ForEach(func(name, item lua.LValue) { fields[name.String()] = fromLua(item) })
		return fields
	}
	return nil
}
