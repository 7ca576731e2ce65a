#include "gpu/vulkan/draw_pipelines.h"

#include "gpu/vulkan/check.h"
#include "gpu/vulkan/surface.h"

namespace cutaway {

Result<std::unique_ptr<DrawPipelines>> DrawPipelines::make(Device& device) {
  std::unique_ptr<DrawPipelines> made(new DrawPipelines(device));
  if (auto ok = made->make_layouts(); !ok) return ok.error();
  auto heat = made->pipeline("heat.vert", "heat.frag", made->heat_layout, false);
  if (!heat) return heat.error();
  made->heat = *heat;
  auto triangles = made->pipeline("triangles.vert", "triangles.frag", made->triangles_layout, true);
  if (!triangles) return triangles.error();
  made->triangles = *triangles;
  return made;
}

DrawPipelines::~DrawPipelines() {
  const VkDevice device = device_.handle();
  vkDestroyPipeline(device, heat, nullptr);
  vkDestroyPipeline(device, triangles, nullptr);
  vkDestroyPipelineLayout(device, heat_layout, nullptr);
  vkDestroyPipelineLayout(device, triangles_layout, nullptr);
  vkDestroyDescriptorSetLayout(device, texture_layout, nullptr);
  vkDestroySampler(device, sampler, nullptr);
}

Result<void> DrawPipelines::make_layouts() {
  const VkDevice device = device_.handle();
  VkSamplerCreateInfo linear{VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO};
  linear.magFilter = linear.minFilter = VK_FILTER_LINEAR;
  linear.addressModeU = linear.addressModeV = linear.addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
  if (auto ok = check(vkCreateSampler(device, &linear, nullptr, &sampler), "vkCreateSampler"); !ok) return ok;

  VkDescriptorSetLayoutBinding binding{0, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1, VK_SHADER_STAGE_FRAGMENT_BIT,
                                       &sampler};
  VkDescriptorSetLayoutCreateInfo set{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
  set.bindingCount = 1;
  set.pBindings = &binding;
  auto ok = check(vkCreateDescriptorSetLayout(device, &set, nullptr, &texture_layout), "vkCreateDescriptorSetLayout");
  if (!ok) return ok;

  const VkPushConstantRange both{VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(HeatPush)};
  VkPipelineLayoutCreateInfo layout{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &both;
  ok = check(vkCreatePipelineLayout(device, &layout, nullptr, &heat_layout), "vkCreatePipelineLayout");
  if (!ok) return ok;
  const VkPushConstantRange target{VK_SHADER_STAGE_VERTEX_BIT, 0, 2 * sizeof(float)};
  layout.pPushConstantRanges = &target;
  layout.setLayoutCount = 1;
  layout.pSetLayouts = &texture_layout;
  return check(vkCreatePipelineLayout(device, &layout, nullptr, &triangles_layout), "vkCreatePipelineLayout");
}

Result<VkPipeline> DrawPipelines::pipeline(const char* vertex, const char* fragment, VkPipelineLayout layout,
                                           bool with_vertices) {
  auto vertex_module = device_.shader_module(vertex);
  if (!vertex_module) return vertex_module.error();
  auto fragment_module = device_.shader_module(fragment);
  if (!fragment_module) {
    vkDestroyShaderModule(device_.handle(), *vertex_module, nullptr);
    return fragment_module.error();
  }
  VkPipelineShaderStageCreateInfo stages[2]{};
  for (auto& stage : stages) stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, stage.pName = "main";
  stages[0].stage = VK_SHADER_STAGE_VERTEX_BIT, stages[0].module = *vertex_module;
  stages[1].stage = VK_SHADER_STAGE_FRAGMENT_BIT, stages[1].module = *fragment_module;

  const VkVertexInputBindingDescription stride{0, sizeof(Vertex), VK_VERTEX_INPUT_RATE_VERTEX};
  const VkVertexInputAttributeDescription fields[] = {{0, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(Vertex, x)},
                                                      {1, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(Vertex, u)},
                                                      {2, 0, VK_FORMAT_R8G8B8A8_UNORM, offsetof(Vertex, rgba)}};
  VkPipelineVertexInputStateCreateInfo input{VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO};
  if (with_vertices) {
    input.vertexBindingDescriptionCount = 1, input.pVertexBindingDescriptions = &stride;
    input.vertexAttributeDescriptionCount = 3, input.pVertexAttributeDescriptions = fields;
  }
  VkPipelineInputAssemblyStateCreateInfo assembly{VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO};
  assembly.topology = with_vertices ? VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST : VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP;
  VkPipelineViewportStateCreateInfo viewport{VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO};
  viewport.viewportCount = viewport.scissorCount = 1;
  VkPipelineRasterizationStateCreateInfo raster{VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO};
  raster.lineWidth = 1;
  VkPipelineMultisampleStateCreateInfo samples{VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO};
  samples.rasterizationSamples = VK_SAMPLE_COUNT_1_BIT;
  VkPipelineColorBlendAttachmentState blend{};
  blend.blendEnable = VK_TRUE;
  blend.srcColorBlendFactor = VK_BLEND_FACTOR_SRC_ALPHA;
  blend.dstColorBlendFactor = blend.dstAlphaBlendFactor = VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA;
  blend.srcAlphaBlendFactor = VK_BLEND_FACTOR_ONE;
  blend.colorWriteMask = 0xf;
  VkPipelineColorBlendStateCreateInfo blending{VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO};
  blending.attachmentCount = 1;
  blending.pAttachments = &blend;
  const VkDynamicState changing[] = {VK_DYNAMIC_STATE_VIEWPORT, VK_DYNAMIC_STATE_SCISSOR};
  VkPipelineDynamicStateCreateInfo dynamic{VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO};
  dynamic.dynamicStateCount = 2;
  dynamic.pDynamicStates = changing;
  VkPipelineRenderingCreateInfo rendering{VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO};
  rendering.colorAttachmentCount = 1;
  rendering.pColorAttachmentFormats = &surface_format;

  VkGraphicsPipelineCreateInfo info{VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO};
  info.pNext = &rendering;
  info.stageCount = 2, info.pStages = stages;
  info.pVertexInputState = &input, info.pInputAssemblyState = &assembly, info.pViewportState = &viewport;
  info.pRasterizationState = &raster, info.pMultisampleState = &samples, info.pColorBlendState = &blending;
  info.pDynamicState = &dynamic;
  info.layout = layout;
  VkPipeline pipeline = VK_NULL_HANDLE;
  const auto ok =
      check(vkCreateGraphicsPipelines(device_.handle(), device_.pipeline_cache(), 1, &info, nullptr, &pipeline),
            "vkCreateGraphicsPipelines");
  vkDestroyShaderModule(device_.handle(), *vertex_module, nullptr);
  vkDestroyShaderModule(device_.handle(), *fragment_module, nullptr);
  if (!ok) return ok.error();
  return pipeline;
}

}  // namespace cutaway
