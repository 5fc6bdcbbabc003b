// Calls the handlers on the CPU as XLA does, with pools that start helpers late or not at all, and
// with calls that no program of this build makes. Prints a line for each; test_xla.py reads them.

#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "xla/handlers.h"
#include "xla/problem.h"

struct XLA_FFI_Error {
  std::string message;
};

namespace {

using Numbers = std::vector<float>;

// What the pool does with the next helpers, and those that it has not yet started or not yet ended.
std::function<bool(XLA_FFI_Task*, void*)> give_helper;
std::vector<std::pair<XLA_FFI_Task*, void*>> late;
std::vector<std::thread> threads;
int errors_left = 0;

XLA_FFI_Error* NewError(const char* message) {
  ++errors_left;
  return new XLA_FFI_Error{message};
}

XLA_FFI_Error* Schedule(XLA_FFI_ThreadPool_Schedule_Args* args) {
  return give_helper && give_helper(args->task, args->data) ? nullptr : NewError("no helper");
}

XLA_FFI_Error* CountThreads(XLA_FFI_ThreadPool_NumThreads_Args* args) {
  if (!give_helper) return NewError("no pool");
  *args->num_threads = 4;
  return nullptr;
}

XLA_FFI_Api MakeApi() {
  XLA_FFI_Api api = {};
  api.XLA_FFI_Error_Create = [](XLA_FFI_Error_Create_Args* args) {
    return NewError(args->message);
  };
  api.XLA_FFI_Error_GetMessage = [](XLA_FFI_Error_GetMessage_Args* args) {
    args->message = args->error->message.c_str();
  };
  api.XLA_FFI_Error_Destroy = [](XLA_FFI_Error_Destroy_Args* args) {
    --errors_left;
    delete args->error;
  };
  api.XLA_FFI_ThreadPool_Schedule = Schedule;
  api.XLA_FFI_ThreadPool_NumThreads = CountThreads;
  return api;
}

struct Tensor {
  XLA_FFI_DataType type;
  void* data;
  std::vector<int64_t> sizes;
};

// What a handler is called with.
struct Call {
  std::vector<Tensor> arguments, results;
  std::vector<std::pair<std::string, int32_t>> attributes = {
      {"reduction", 0},    {"same_padding", 1}, {"compute_type", 0}, {"position_weight", 0},
      {"column_range", 0}, {"span", 0},         {"length", 0},       {"condition", 0}};
};

// What the handler says.
std::string Answer(XLA_FFI_Handler* handler, Call call) {
  const XLA_FFI_Api api = MakeApi();
  std::vector<XLA_FFI_Buffer> buffers;
  for (std::vector<Tensor>* tensors : {&call.arguments, &call.results}) {
    for (Tensor& each : *tensors) {
      buffers.push_back({sizeof(XLA_FFI_Buffer), nullptr, each.type, each.data,
                         static_cast<int64_t>(each.sizes.size()), each.sizes.data()});
    }
  }
  std::vector<void*> pointers;
  for (XLA_FFI_Buffer& each : buffers) pointers.push_back(&each);
  std::vector<XLA_FFI_ByteSpan> names;
  std::vector<XLA_FFI_Scalar> scalars;
  for (auto& [name, value] : call.attributes) {
    names.push_back({name.data(), name.size()});
    scalars.push_back({XLA_FFI_DataType_S32, &value});
  }
  std::vector<XLA_FFI_ByteSpan*> name_pointers;
  for (XLA_FFI_ByteSpan& each : names) name_pointers.push_back(&each);
  std::vector<void*> values;
  for (XLA_FFI_Scalar& each : scalars) values.push_back(&each);
  std::vector<XLA_FFI_AttrType> types(values.size(), XLA_FFI_AttrType_SCALAR);
  XLA_FFI_CallFrame frame = {};
  frame.api = &api;
  frame.args.size = static_cast<int64_t>(call.arguments.size());
  frame.args.args = pointers.data();
  frame.rets.size = static_cast<int64_t>(call.results.size());
  frame.rets.rets = pointers.data() + call.arguments.size();
  frame.attrs.size = static_cast<int64_t>(values.size());
  frame.attrs.types = types.data();
  frame.attrs.names = name_pointers.data();
  frame.attrs.attrs = values.data();
  XLA_FFI_Error* const error = handler(&frame);
  if (error == nullptr) return "fine";
  const std::string message = error->message;
  --errors_left;
  delete error;
  return message;
}

void Say(const char* name, const std::string& what) { std::printf("%s\t%s\n", name, what.c_str()); }

}  // namespace

int main() {
  const int64_t sequences = 60, length = 100, width = 9, motifs = 40;
  std::vector<uint8_t> codes(sequences * length);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i * i % 7 % 5);
  const auto numbers = [](int64_t count) {
    Numbers made(count);
    for (int64_t i = 0; i < count; ++i) made[i] = static_cast<float>(i * i % 11) / 4 - 1;
    return made;
  };
  Numbers log_kd = numbers(width * 4 * motifs), log_concentration = numbers(motifs);
  Numbers upstream = numbers(sequences * 2 * motifs), bound(upstream.size());
  Numbers by_kd(log_kd.size()), by_concentration(motifs);
  const auto floats = [](Numbers& data, std::vector<int64_t> sizes) {
    return Tensor{XLA_FFI_DataType_F32, data.data(), std::move(sizes)};
  };
  Call forward;
  forward.arguments = {{XLA_FFI_DataType_U8, codes.data(), {sequences, length}},
                       floats(log_kd, {width, 4, motifs}),
                       floats(log_concentration, {motifs})};
  Call backward = forward;
  forward.results = {floats(bound, {sequences, 2, motifs})};
  backward.arguments.push_back(floats(upstream, {sequences, 2, motifs}));
  backward.results = {floats(by_kd, {width, 4, motifs}), floats(by_concentration, {motifs})};

  std::vector<Numbers> expected;
  const auto run = [&](const char* name) {
    for (Numbers* each : {&bound, &by_kd, &by_concentration}) each->assign(each->size(), -1.0f);
    const std::string said =
        Answer(cisreg::HostForward, forward) + ", " + Answer(cisreg::HostBackward, backward);
    for (std::thread& each : threads) each.join();
    threads.clear();
    const size_t helpers = late.size();
    for (const auto& [task, data] : late) task(data);
    late.clear();
    const std::vector<Numbers> found = {bound, by_kd, by_concentration};
    if (expected.empty()) expected = found;
    Say(name, said + (found == expected ? ", same bits" : ", other bits") +
                  (helpers > 0 ? ", late helpers" : ""));
  };
  run("no pool");
  give_helper = [](XLA_FFI_Task* task, void* data) {
    threads.emplace_back(task, data);
    return true;
  };
  run("threads");
  give_helper = [](XLA_FFI_Task* task, void* data) {
    task(data);
    return true;
  };
  run("the calling thread");
  give_helper = [](XLA_FFI_Task* task, void* data) {
    late.emplace_back(task, data);
    return true;
  };
  run("when all is done");
  give_helper = [](XLA_FFI_Task* task, void* data) {
    if (!threads.empty()) return false;
    threads.emplace_back(task, data);
    return true;
  };
  run("a single helper");

  const auto damaged = [](const char* name, XLA_FFI_Handler* handler, Call call,
                          const std::function<void(Call*)>& damage) {
    damage(&call);
    Say(name, Answer(handler, call));
  };
  damaged("no attributes", cisreg::HostForward, forward, [](Call* c) { c->attributes.clear(); });
  for (size_t i = 0; i < forward.attributes.size(); ++i) {
    damaged(("attribute " + forward.attributes[i].first).c_str(), cisreg::HostForward, forward,
            [i](Call* c) { c->attributes[i].second = 3; });
  }
  damaged("two arguments", cisreg::HostForward, forward, [](Call* c) { c->arguments.pop_back(); });
  damaged("four arguments", cisreg::HostForward, forward,
          [](Call* c) { c->arguments.push_back(c->arguments[2]); });
  damaged("double argument", cisreg::HostForward, forward,
          [](Call* c) { c->arguments[1].type = XLA_FFI_DataType_F64; });
  damaged("no result", cisreg::HostForward, forward, [](Call* c) { c->results.clear(); });
  damaged("more results", cisreg::HostBackward, backward,
          [](Call* c) { c->results.push_back(c->results[0]); });
  damaged("double result", cisreg::HostForward, forward,
          [](Call* c) { c->results[0].type = XLA_FFI_DataType_F64; });
  damaged("flat result", cisreg::HostBackward, backward,
          [](Call* c) { c->results[0].sizes = {c->results[0].sizes[0] * 4, motifs}; });
  Say("errors left", std::to_string(errors_left));
  return 0;
}
