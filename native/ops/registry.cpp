#include "ops/registry.h"

namespace ondol {

Registry& Registry::instance() {
  static Registry registry;
  if (registry.operations_.empty()) register_all(registry);
  return registry;
}

Operation* Registry::find(std::string_view scope, std::string_view name) {
  for (Operation& operation : operations_)
    if (operation.scope == scope && operation.name == name) return &operation;
  return nullptr;
}

void Registry::insert(std::string_view text, unsigned extra_variants, void* function, size_t arity,
                      void (*call)(void*, Value*, Value&)) {
  Schema schema = parse_schema(text);
  size_t expected =
      schema.parameters.size() - (schema.factory ? 4 : 0);  // layout, device, pin_memory, requires_grad stay outside
  if (expected != arity) runtime_error("schema ", text, " has ", expected, " parameters, its function takes ", arity);
  unsigned variants = extra_variants;
  bool method = !schema.parameters.empty() && schema.parameters[0].name == "self";
  if (!(variants & (kFunction | kMethod))) variants |= method ? kFunction | kMethod : kFunction;
  if (schema.name.ends_with('_') && method && !schema.name.ends_with("__")) variants |= kMutating;
  Operation* operation = find(schema.scope, schema.name);
  if (!operation) {
    operations_.push_back({schema.scope, schema.name, {}, 0, false});
    operation = &operations_.back();
  }
  operation->variants |= variants;
  operation->overloads.push_back({std::move(schema), variants, function, call});
}

void Registry::alias(std::string_view name, std::string_view existing) {
  Operation* original = find("", existing);
  if (!original) runtime_error("alias ", name, " of an unknown operation ", existing);
  Operation copy = *original;
  copy.name = std::string(name);
  copy.alias = true;
  operations_.push_back(std::move(copy));
}

}  // namespace ondol
